import type { Row } from "../protocol.ts";
import { ROW_HEADS, type RowWords, rowWords } from "../row-words.ts";
import { REST_MS } from "../traveller.ts";
import { dimZeros } from "./words.ts";

/** Rows that the browser lays out and paints together, and not at all while they are far out of sight. */
const GROUP_ROWS = 8;

/** A line of the table: where its words stand, and what it says. */
interface Line {
  readonly element: HTMLTableRowElement;
  /** The dim zeros that the address begins with, what follows them, and the words of the other columns. */
  readonly texts: readonly Text[];
  row: Row | undefined;
  words: readonly string[];
}

/**
 * The lines of a table of mappings. They stay where they are, and a new answer changes the words that are others: a thousand
 * lines that are made anew, or only compared by Preact, take longer than a frame.
 */
export class RowList {
  readonly #table: HTMLTableElement;
  readonly #groups: HTMLTableSectionElement[] = [];
  readonly #lines: Line[] = [];
  /** Letters of each column, and of which place that is. */
  #widths: number[] = [];
  #place = "";
  #shown = 0;
  #rest: ReturnType<typeof setTimeout> | undefined;
  readonly #sight: IntersectionObserver;

  constructor(table: HTMLTableElement) {
    this.#table = table;
    this.#sight = new IntersectionObserver(
      (seen) => {
        for (const { target, isIntersecting } of seen) target.classList.toggle("seen", isIntersecting);
      },
      { root: table.parentElement },
    );
  }

  /** The row that an element of the table is in. */
  rowAt(element: Element): Row | undefined {
    const line = element.closest("tbody tr");
    return this.#lines.find((one) => one.element === line)?.row;
  }

  /** @param place what the rows are of: as long as that stays, columns become no narrower while one travels */
  show(rows: readonly Row[], place: string): void {
    if (place !== this.#place) this.#widths = ROW_HEADS.map(({ length }) => length);
    this.#place = place;
    while (this.#lines.length < rows.length) this.#lines.push(newLine());
    for (const [i, row] of rows.entries()) this.#say(this.#lines[i]!, row);
    this.#fill(rows.length);
    this.#widen();
    this.#travel();
  }

  /**
   * Browsers lay out some screens more of a table than are seen: while one moment follows another that is most of the time that a
   * frame takes, and waits until they rest. The words are there all the time.
   */
  #travel(): void {
    clearTimeout(this.#rest);
    this.#table.classList.add("travelling");
    this.#rest = setTimeout(() => this.#table.classList.remove("travelling"), REST_MS);
  }

  /** Puts as many lines into the table as it is to have. */
  #fill(count: number): void {
    const before = this.#shown;
    const groups = Math.ceil(count / GROUP_ROWS);
    const groupsBefore = Math.ceil(before / GROUP_ROWS);
    this.#shown = count;
    while (this.#groups.length < groups) {
      const group = document.createElement("tbody");
      // It may be in sight until the browser has looked: the first rows do not come a frame late.
      group.className = "seen";
      this.#groups.push(group);
      this.#sight.observe(group);
    }
    for (let i = groupsBefore; i < groups; i++) this.#table.append(this.#groups[i]!);
    for (let i = groups; i < groupsBefore; i++) this.#groups[i]!.remove();
    for (let i = before; i < count; i++)
      this.#groups[Math.floor(i / GROUP_ROWS)]!.append(this.#lines[i]!.element);
    for (let i = count; i < before; i++) this.#lines[i]!.element.remove();
    // All but the last one are full; the one that was the last may be so by now.
    for (let i = Math.max(0, Math.min(groups, groupsBefore) - 1); i < groups; i++) {
      const rows = Math.min(GROUP_ROWS, count - i * GROUP_ROWS);
      this.#groups[i]!.style.setProperty("--rows", String(rows));
    }
  }

  #say(line: Line, row: Row): void {
    const was = line.row;
    line.row = row;
    if (was !== undefined && isSame(was, row)) return;
    if (was?.certainty !== row.certainty) line.element.className = row.certainty;
    const words = partsOf(rowWords(row));
    for (const [i, word] of words.entries()) if (word !== line.words[i]) line.texts[i]!.data = word;
    line.words = words;
  }

  /**
   * The widths of the columns, for the longest that each says, its head included. The groups of rows are laid out apart from each
   * other, so that no column can ask all of them itself.
   */
  #widen(): void {
    const widths = this.#widths;
    for (let i = 0; i < this.#shown; i++) {
      const { words } = this.#lines[i]!;
      // The address has two of the words.
      widths[0] = Math.max(widths[0]!, words[0]!.length + words[1]!.length);
      for (let at = 2; at < words.length; at++) widths[at - 1] = Math.max(widths[at - 1]!, words[at]!.length);
    }
    const columns = widths.map((letters) => `calc(${letters}ch + var(--gap))`).join(" ");
    if (this.#table.style.getPropertyValue("--columns") !== columns)
      this.#table.style.setProperty("--columns", columns);
  }
}

function newLine(): Line {
  const element = document.createElement("tr");
  const texts = Array.from({ length: ROW_HEADS.length + 1 }, () => new Text());
  const [zeros, address, ...others] = texts;
  const [dim, whole] = [document.createElement("span"), document.createElement("span")];
  dim.className = "zeros";
  dim.append(zeros!);
  whole.className = "address";
  whole.append(dim, address!);
  element.insertCell().append(whole);
  for (const text of others) element.insertCell().append(text);
  return { element, texts, row: undefined, words: texts.map(() => "") };
}

/** The words of a row, with the zeros that its address begins with apart. */
const partsOf = ([address, ...others]: RowWords): readonly string[] => [...dimZeros(address), ...others];

/** Does a row say the same as another? */
const isSame = (a: Row, b: Row): boolean =>
  a.address === b.address &&
  a.pages === b.pages &&
  a.target === b.target &&
  a.sameTarget === b.sameTarget &&
  a.access === b.access &&
  a.certainty === b.certainty &&
  a.inferredPages === b.inferredPages &&
  a.since[0] === b.since[0] &&
  a.since[1] === b.since[1];
