"""The networks of the comparison. Each proxy has a namespace of its own, the gateway, and in front of it one for its clients; so none meets another's
rules. All gateways lead to one upstream namespace. Names have this process's number; all goes away with the `with`."""
import contextlib
import itertools
import os
import pathlib
import shutil
import subprocess

NAMES = pathlib.Path("/etc/netns")
SERVICE = "10.77.255.1"
HOST = "www.upstream.test"
# One after the other, many connections leave addresses in TIME_WAIT.
SETTINGS = {"ip_local_port_range": "1024 65000", "tcp_tw_reuse": "1", "ip_forward": "1"}


def inside(namespace, *command):
    """A command, as it is run in a namespace."""
    return ["ip", "netns", "exec", namespace, *map(str, command)]


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL)


class Network:
    def __init__(self):
        self.namespaces = []
        self.numbers = itertools.count(1)
        self.addresses = {}

    def __enter__(self):
        self.had_names = NAMES.is_dir()
        try:
            self.upstream = self.add("upstream")
            ip("-n", self.upstream, "address", "add", f"{SERVICE}/32", "dev", "lo")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for namespace in list(self.namespaces):
            with contextlib.suppress(subprocess.CalledProcessError):
                self.remove(namespace)
        if not self.had_names:
            with contextlib.suppress(OSError):
                NAMES.rmdir()

    def add(self, label):
        """A namespace that has only `lo`."""
        name = f"bench-{os.getpid()}-{label}"
        self.namespaces.append(name)
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        folder = NAMES / name
        folder.mkdir(parents=True)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{SERVICE} {HOST} untrusted.upstream.test\n")
        for setting, value in SETTINGS.items():
            subprocess.run(inside(name, "tee", f"/proc/sys/net/ipv4/{setting}"), input=value, text=True, check=True, stdout=subprocess.DEVNULL)
        return name

    def remove(self, namespace):
        self.namespaces.remove(namespace)
        shutil.rmtree(NAMES / namespace, ignore_errors=True)
        ip("netns", "delete", namespace)

    def gateway(self, label):
        """A namespace from which the upstream is reached."""
        name, number = self.add(f"{label}-gateway"), next(self.numbers)
        self.link(name, "out", f"10.77.{number}.1", self.upstream, f"to{number}", f"10.77.{number}.2")
        ip("-n", name, "route", "add", SERVICE, "via", f"10.77.{number}.2")
        self.addresses[name] = f"10.77.{number}.1"
        return name

    def client(self, label, gateway):
        """A namespace whose way to everywhere is the gateway."""
        name, number = self.add(label), next(self.numbers)
        self.link(name, "out", f"10.77.{number}.2", gateway, "in", f"10.77.{number}.1")
        ip("-n", name, "route", "add", "default", "via", f"10.77.{number}.1")
        # The answers to what is only forwarded.
        ip("-n", self.upstream, "route", "add", f"10.77.{number}.0/24", "via", self.addresses[gateway])
        return name

    def link(self, one, device, address, other, other_device, other_address):
        ip("link", "add", device, "netns", one, "type", "veth", "peer", "name", other_device, "netns", other)
        for namespace, name, own in ((one, device, address), (other, other_device, other_address)):
            ip("-n", namespace, "address", "add", f"{own}/24", "dev", name)
            ip("-n", namespace, "link", "set", name, "up")


def divert(gateway, http, https, transparent):
    """Leads what clients send to the ports of a proxy: as it is, for one that takes connections to any address, or redirected."""
    if transparent:
        ip("-n", gateway, "rule", "add", "fwmark", "1", "lookup", "100")
        ip("-n", gateway, "route", "add", "local", "default", "dev", "lo", "table", "100")
        chain = "type filter hook prerouting priority mangle;"
        way = "tproxy ip to 127.0.0.1:{} meta mark set 1 accept"
    else:
        chain = "type nat hook prerouting priority dstnat;"
        way = "redirect to :{}"
    rules = "".join(f'iifname "in" tcp dport {port} {way.format(own)}\n' for port, own in ((80, http), (443, https)))
    table = f"table ip bench {{ chain divert {{ {chain}\n{rules}}}\n}}\n"
    subprocess.run(inside(gateway, "nft", "-f", "-"), input=table, text=True, check=True)
