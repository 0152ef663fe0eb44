/** Writes the component of a class's module, a path or a file URL. The module's top level runs, without a network. */
export function build(module: string | URL, output: string): Promise<void>;
