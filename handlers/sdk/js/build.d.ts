/** Writes the component of a module, of the kind that its exports say. The module's top level runs, without a network. */
export function build(module: string, output: string): Promise<void>;
