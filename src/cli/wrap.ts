import stringWidth from "string-width";

/**
 * Breaks a text into lines between its words.
 *
 * @param width columns of a line; a longer word has a line of its own
 * @param indent in front of all lines but the first
 */
export function wrap(text: string, width: number, indent = ""): string {
  if (stringWidth(text) <= width) return text;
  const lines: string[] = [];
  let line = "";
  let columns = 0;
  for (const word of text.split(" ")) {
    const length = stringWidth(word);
    if (columns > 0 && columns + 1 + length > width) {
      lines.push(line);
      line = indent + word;
      columns = indent.length + length;
    } else {
      line += columns === 0 ? word : ` ${word}`;
      columns += length + (columns === 0 ? 0 : 1);
    }
  }
  return [...lines, line].join("\n");
}
