/** An element of an XML document, as far as a description of a machine needs it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Text between the children. */
  readonly text: string;
}

/** The first child of a name; a path has several names with `/`. */
export function childOf(element: XmlElement | undefined, path: string): XmlElement | undefined {
  let at = element;
  for (const name of path.split("/")) at = at?.children.find((child) => child.name === name);
  return at;
}

export const childrenOf = (element: XmlElement | undefined, name: string): readonly XmlElement[] =>
  element?.children.filter((child) => child.name === name) ?? [];
