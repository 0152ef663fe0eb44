// Host patterns, where a component is asked for all of them: the policy has decided by then, so that this only chooses
// among a program's own functions. `*` is one or more characters.

const PORTS = { http: '80', https: '443' };

/** Whether `[scheme://]host[:port]` means this target. */
export function globMatches(pattern, { scheme, host, port }) {
  const [, wantedScheme, name, wantedPort] = /^(?:(https?):\/\/)?(\[[^\]]*\]|[^:]*)(?::(\d+))?$/i.exec(pattern) ?? [];
  if (name === undefined) return false;
  if (wantedScheme !== undefined && wantedScheme.toLowerCase() !== scheme) return false;
  if (wantedPort !== undefined && wantedPort !== (port || PORTS[scheme])) return false;
  const words = name.toLowerCase().split('*').map((word) => word.replace(/[.\\+?^${}()|[\]]/g, '\\$&'));
  return new RegExp(`^${words.join('.+')}$`).test(host);
}
