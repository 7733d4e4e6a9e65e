import type { IommuError } from "../../base/errors.ts";
import type { SavedTable } from "../../spapr/saved-table.ts";
import type { Configuration, StreamPlace } from "./configuration.ts";
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
  /** Bytes of the file before the stream. (With mapped-ram the places of pages count from the file's beginning.) Default: 0. */
  readonly origin?: number;
}

/**
 * Something about a stream that does not keep QEMU from loading it.
 *
 * @public
 */
export interface StreamRemark {
  /** Where in the stream. */
  readonly offset: number;
  readonly message: string;
}

/**
 * Where in a stream for postcopy lies what belongs to postcopy.
 *
 * @public
 */
export interface PostcopyPlaces {
  /** Commands, and the heads of packages. */
  readonly commands: readonly StreamPlace[];
  /** Where the state of the devices ends: memory follows, as far as it was sent. */
  readonly end: number | undefined;
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
   * with it. Null if the stream was sent without, or with one that is damaged:
   * sections of devices were then told apart by what ends them.
   */
  readonly description: StreamDescription | null;
  /** Number of bytes, without those that follow the stream and that nobody reads. */
  readonly length: number;
  /** What is odd, and QEMU does not mind: it does not read the description. */
  readonly remarks: readonly StreamRemark[];
  /** What of a stream for postcopy a plain stream does not have; undefined in other streams. */
  readonly postcopy: PostcopyPlaces | undefined;
  /** Where the capabilities stand, if there are any: a subsection of the configuration. */
  readonly capabilityPlace: StreamPlace | undefined;
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
