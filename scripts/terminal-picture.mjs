/**
 * What a terminal shows after some output: as much of one as programs need that draw line by line.
 *
 * @module
 */

/** Sequences: to a place, clear the screen, clear the rest of the line, switch a mode, a colour. */
const SEQUENCE = new RegExp(`^${"\u001b"}\\[(?:(\\d+);(\\d+)H|(2J)|(K)|(\\?\\d+)([hl])|[\\d;]*m)`);

/** A terminal whose lines are as long as it is wide, and are cut there. */
export class TerminalPicture {
  #columns;
  #lines = [];
  #row = 0;
  #column = 0;
  /** Modes that are on: `?1049` is the other screen. `?25`, the cursor, and `?7`, going on in the next line, are on at first. */
  modes = new Set(["?25", "?7"]);

  constructor(columns, rows) {
    this.#columns = columns;
    this.#lines = Array.from({ length: rows }, () => []);
  }

  /** Takes output. Returns this. @throws Error for a sequence that it does not know */
  write(text) {
    for (let rest = text; rest !== ""; ) {
      const sequence = SEQUENCE.exec(rest);
      if (sequence !== null) {
        this.#obey(sequence);
        rest = rest.slice(sequence[0].length);
        continue;
      }
      const [character] = rest;
      if (character === "\u001b") throw new Error(`unknown sequence ${JSON.stringify(rest.slice(0, 10))}`);
      this.#put(character);
      rest = rest.slice(character.length);
    }
    return this;
  }

  /** Lines, without blanks at their ends. */
  get lines() {
    return this.#lines.map((line) =>
      Array.from(line, (character) => character ?? " ")
        .join("")
        .trimEnd(),
    );
  }

  #obey([, row, column, clear, toLineEnd, mode, how]) {
    if (row !== undefined) this.#goTo(Number(row) - 1, Number(column) - 1);
    else if (clear !== undefined) this.#lines = this.#lines.map(() => []);
    else if (toLineEnd !== undefined)
      this.#lines[this.#row].length = Math.min(this.#column, this.#lines[this.#row].length);
    else if (how === "h") this.modes.add(mode);
    else if (how === "l") this.modes.delete(mode);
  }

  #goTo(row, column) {
    this.#row = Math.min(row, this.#lines.length - 1);
    this.#column = column;
  }

  #put(character) {
    if (character === "\r") this.#column = 0;
    else if (character === "\n") this.#goTo(this.#row + 1, this.#column);
    else if (this.#column < this.#columns) this.#lines[this.#row][this.#column++] = character;
  }
}
