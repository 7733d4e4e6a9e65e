import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { ByteCursor, badStream, unsupportedStream } from "./byte-cursor.ts";
import type { ByteFile } from "./source.ts";
import { RECORD_SUBSECTION } from "./tce-section.ts";

/** "QEVM". */
export const MAGIC = 0x5145_564d;
/** The only version of the format that was ever in wide use. */
export const FORMAT_VERSION = 3;

/** Byte that begins the configuration. */
export const RECORD_CONFIGURATION = 0x07;

/** The capability that gives each page of guest RAM a place of its own in the file. */
export const MAPPED_RAM = "mapped-ram";
/** The capability that leaves out memory which is a file that is shared. */
export const IGNORE_SHARED = "x-ignore-shared";

/** Capabilities that a configuration may list; QEMU knows about 25. */
const MAX_CAPABILITIES = 1024;
/** Machine types begin so, also those of distributions: `pseries-7.2`, `pseries-rhel7.6.0-sxxm`. */
const PSERIES = "pseries";
/** Longest name of a machine type. */
export const MAX_MACHINE_NAME = 1024;

/**
 * What a stream says about how the machine is configured.
 *
 * @public
 */
export interface Configuration {
  /** Machine type, such as `pseries-7.2`; null in a stream without configuration. */
  readonly machine: string | null;
  /** Migration capabilities that both sides must have. */
  readonly capabilities: readonly string[];
}

/** Bytes that identify a migration stream. */
export const MAGIC_BYTES = 4;

/**
 * Do these bytes, the first 4 of a file or more, begin a migration stream?
 *
 * @public
 */
export const isMigrationStream = (head: Uint8Array): boolean =>
  head.length >= MAGIC_BYTES && new DataView(head.buffer, head.byteOffset).getUint32(0) === MAGIC;

/** Reads what every stream begins with. */
export async function readHeader(cursor: ByteCursor): Promise<void> {
  const magic = await cursor.u32("the magic number");
  if (magic !== MAGIC) throw badStream(0, `begins with ${hex(magic)}, not with "QEVM" (${hex(MAGIC)})`);
  const version = await cursor.u32("the version of the format");
  if (version !== FORMAT_VERSION)
    throw unsupportedStream(4, `format version ${version}, not ${FORMAT_VERSION}`);
}

/**
 * Some bytes of a stream.
 *
 * @public
 */
export interface StreamPlace {
  readonly offset: number;
  readonly length: number;
}

/** A configuration, and where its capabilities stand. */
export interface ReadConfiguration extends Configuration {
  readonly capabilityPlace?: StreamPlace;
}

/** The machine type and what is configured; old machine types send no such record. */
export async function readConfiguration(cursor: ByteCursor): Promise<ReadConfiguration> {
  const capabilities: string[] = [];
  let capabilityPlace: StreamPlace | undefined;
  await cursor.need(1, "the first record");
  if (cursor.bytes[cursor.at] !== RECORD_CONFIGURATION) return { machine: null, capabilities };
  cursor.at++;
  const length = await cursor.u32("the length of the machine type");
  if (length > MAX_MACHINE_NAME) throw badStream(cursor.offset - 4, `a machine type of ${length} characters`);
  const machine = await cursor.text(length, "the machine type");
  if (!machine.startsWith(PSERIES))
    throw otherMachine(cursor.offset - length, `of type ${JSON.stringify(machine)}`);
  for (;;) {
    await cursor.need(1, "the first section");
    if (cursor.bytes[cursor.at] !== RECORD_SUBSECTION)
      return { machine, capabilities, ...(capabilityPlace === undefined ? {} : { capabilityPlace }) };
    const offset = cursor.offset;
    const before = capabilities.length;
    await readConfigured(cursor, capabilities);
    if (capabilities.length > before) capabilityPlace = { offset, length: cursor.offset - offset };
  }
}

/** A machine of another kind has none of what is looked for: that nothing is mapped would be wrong. */
export const otherMachine = (offset: number, what: string): IommuError =>
  unsupportedStream(
    offset,
    `a machine ${what}: only pseries machines have TCE tables, and of other IOMMUs no mappings are saved; what a guest of Linux maps is seen by its dma events`,
  );

/** Reads one subsection of the configuration. */
async function readConfigured(cursor: ByteCursor, capabilities: string[]): Promise<void> {
  const offset = cursor.offset;
  cursor.at++;
  const name = await cursor.name("the name of a subsection");
  await cursor.u32("the version of a subsection");
  switch (name) {
    case "configuration/target-page-bits": {
      const bits = await cursor.u32("the page size");
      if (bits !== 12) throw badStream(offset, `pages of 2^${bits} bytes, pseries has 2^12`);
      return;
    }
    case "configuration/uuid":
      return cursor.skip(16, "the UUID");
    case "configuration/capabilities": {
      const count = await cursor.u32("the number of capabilities");
      if (capabilities.length + count > MAX_CAPABILITIES) {
        throw badStream(offset, `${count} capabilities; at most ${MAX_CAPABILITIES} are read`);
      }
      for (let i = 0; i < count; i++) capabilities.push(await cursor.name("the name of a capability"));
      return;
    }
    default:
      throw unsupportedStream(offset, `subsection ${JSON.stringify(name)} of the configuration`);
  }
}

/** Does a stream have its pages at places of their own? Not if it is damaged before it says so. */
export async function hasMappedRam(file: ByteFile): Promise<boolean> {
  const cursor = new ByteCursor(file);
  try {
    await readHeader(cursor);
    return (await readConfiguration(cursor)).capabilities.includes(MAPPED_RAM);
  } catch (error) {
    if (error instanceof IommuError) return false;
    throw error;
  }
}
