export declare class TerminalPicture {
  constructor(columns: number, rows: number);
  readonly modes: Set<string>;
  readonly lines: string[];
  write(text: string): this;
}
