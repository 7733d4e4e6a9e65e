/** Bytes that tell a saved machine, a script and a dump of mappings from each other, and all from a trace. */
export const HEAD_BYTES = 256;

/** Does an input begin as a script of calls to a host's kernel does? */
export const isKernelScriptHead = (head: Uint8Array): boolean =>
  /^\s*\{\s*"header"\s*:\s*\{/.test(new TextDecoder().decode(head));

/** Does an input begin as the first line of an op script does? */
export const isScriptHead = (head: Uint8Array): boolean =>
  /^\s*\{\s*"header"/.test(new TextDecoder().decode(head));
