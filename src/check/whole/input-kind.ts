/** Bytes that tell a saved machine from a script, and both from a trace. */
export const HEAD_BYTES = 64;

/** Does an input begin as the first line of an op script does? */
export const isScriptHead = (head: Uint8Array): boolean =>
  /^\s*\{\s*"header"/.test(new TextDecoder().decode(head));
