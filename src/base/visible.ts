/** What a terminal obeys instead of showing: control and format characters, line separators, halves of pairs. */
const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * A text that a terminal can only show: what it would obey is written as JSON
 * writes it, `\u001b`. Line ends and tabs stay.
 */
export const visible = (text: string): string =>
  text.replaceAll(UNSEEN, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
