/** An exported name. */
export interface PublicItem {
  readonly name: string;
  /** Of a class only the type is exported: nobody can make one. */
  readonly typeOnly: boolean;
  /** The declaration without comments and hidden members. */
  readonly text: string;
  readonly comment: { readonly text: string; readonly tags: readonly string[] };
  /** The file that declares it, in `dist`. */
  readonly declared: string;
}

export declare function entryPoints(): readonly { readonly name: string; readonly file: string }[];

export declare function publicApi(): {
  readonly modules: readonly { readonly name: string; readonly items: readonly PublicItem[] }[];
  readonly forgotten: readonly string[];
};
