import { textWidth } from "./text-width.ts";

/**
 * Breaks a text into lines between its words.
 *
 * @param width columns of a line; a longer word has a line of its own
 * @param indent in front of all lines but the first
 * @param first in front of that one
 */
export function wrap(text: string, width: number, indent = "", first = ""): string {
  const lines: string[] = [];
  let line = first;
  let columns = first.length;
  let space = "";
  for (const word of text.split(" ")) {
    const length = textWidth(word);
    if (space !== "" && columns + space.length + length > width) {
      lines.push(line);
      line = indent;
      columns = indent.length;
      space = "";
    }
    line += space + word;
    columns += space.length + length;
    space = " ";
  }
  return [...lines, line].join("\n");
}
