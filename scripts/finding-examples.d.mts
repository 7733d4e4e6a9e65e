export declare const EXAMPLES: Readonly<
  Record<
    string,
    { readonly lines: readonly string[]; readonly options?: readonly string[]; readonly isCut?: boolean }
  >
>;
