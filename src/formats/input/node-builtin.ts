/** A module of Node, asked for at run time: the same code runs in browsers, where there is none. */
export function nodeBuiltin<Module>(name: string): Module | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(id: string): unknown } };
  return process?.getBuiltinModule?.(name) as Module | undefined;
}
