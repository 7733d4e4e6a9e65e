import type { IommuError } from "../../base/errors.ts";
import type { SavedTable } from "../../spapr/saved-table.ts";
import type { Configuration } from "./configuration.ts";
import type { StreamDescription } from "./description.ts";
import type { RamBlock, RamSink } from "./ram.ts";
import type { RamIndex } from "./ram-index.ts";
import type { SectionInfo } from "./section.ts";

/**
 * What is read of a stream, and how much it may cost.
 *
 * @public
 */
export interface ReadOptions {
  /** Remember where each page of guest RAM lies, so that it can be read later. Default: no. */
  readonly indexRam?: boolean;
  /** Notified of each page of guest RAM, unless these are remembered. */
  readonly ramSink?: RamSink;
  /** Most pages of guest RAM to remember. Default: 2^22. */
  readonly ramPageLimit?: number;
  /** Most memory that all TCE tables together may take, in bytes. Default: 64 MiB. */
  readonly tableByteLimit?: number;
}

/**
 * A TCE table of a stream, with the section that it came in.
 *
 * @public
 */
export interface SavedWindow extends SavedTable {
  readonly section: SectionInfo;
  /** Number of entries; the field mig_nb_table. */
  readonly entries: number;
  /** Offset in the stream of the first entry. */
  readonly tableOffset: number;
}

/**
 * What a migration stream says about a machine and its DMA windows.
 *
 * @public
 */
export interface MigrationStream extends Configuration {
  /** START and FULL sections, in the order of the stream. */
  readonly sections: readonly SectionInfo[];
  /** The TCE tables, in the order of the stream. */
  readonly windows: readonly SavedWindow[];
  readonly ramBlocks: readonly RamBlock[];
  /** Where the pages of guest RAM lie, if that was asked for. */
  readonly ram: RamIndex | null;
  /**
   * The description of the sections that ends the stream. All sections agree
   * with it. Null if the stream was sent without: sections of devices were then
   * distinguished by their footers only.
   */
  readonly description: StreamDescription | null;
  /** Number of bytes. */
  readonly length: number;
}

/**
 * What could be read of a stream that may be damaged.
 *
 * @public
 */
export interface PartialStream extends MigrationStream {
  /** Why and where reading ended early; undefined if the stream is whole. */
  readonly damage: IommuError | undefined;
}
