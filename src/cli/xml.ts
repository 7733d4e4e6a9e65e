import { SaxesParser } from "saxes";
import { IommuError } from "../base/errors.ts";
import type { XmlElement } from "../formats/machine/xml-element.ts";

/** A domain has a few hundred elements, a few levels deep. */
const MAX_DEPTH = 50;
const MAX_ELEMENTS = 100_000;

/** An element that is still open. */
interface Open extends XmlElement {
  readonly children: XmlElement[];
  text: string;
}

/**
 * Reads an XML document. Entities of its own are not expanded, and names keep their prefixes.
 *
 * @throws IommuError BAD_FILE with line and column; LIMIT_EXCEEDED for one that is too deep or too large
 */
export function parseXml(text: string, name: string): XmlElement {
  const parser = new SaxesParser({ fileName: name });
  const stack: Open[] = [];
  let root: XmlElement | undefined;
  let elements = 0;
  parser.on("error", (error) => {
    throw new IommuError("BAD_FILE", error.message);
  });
  parser.on("opentag", ({ name: tag, attributes }) => {
    const element: Open = {
      name: tag,
      attributes: attributes as Record<string, string>,
      children: [],
      text: "",
    };
    if (stack.length >= MAX_DEPTH || ++elements > MAX_ELEMENTS) {
      const what = `more than ${MAX_ELEMENTS} elements, or ${MAX_DEPTH} in one another`;
      throw new IommuError("LIMIT_EXCEEDED", `${name}:${parser.line}:${parser.column}: ${what}`);
    }
    stack.at(-1)?.children.push(element);
    root ??= element;
    stack.push(element);
  });
  parser.on("closetag", () => {
    stack.pop();
  });
  const addText = (piece: string): void => {
    const element = stack.at(-1);
    if (element !== undefined) element.text += piece;
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.write(text).close();
  return root!;
}
