/** Bytes that tell a saved machine from a script, and both from a trace. */
export const HEAD_BYTES = 64;

/** What the first line of a script begins with. */
export const isScriptHead = (head: Uint8Array): boolean =>
  /^\s*\{\s*"header"/.test(new TextDecoder().decode(head));
