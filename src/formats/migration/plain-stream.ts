import { IGNORE_SHARED, MAPPED_RAM } from "./configuration.ts";
import type { Patch } from "./patch.ts";
import type { BlockPlace } from "./ram.ts";
import { RECORD_END } from "./section-scan.ts";
import type { MigrationStream } from "./stream.ts";
import { RECORD_SUBSECTION } from "./tce-section.ts";

const CAPABILITIES = "configuration/capabilities";
/** Capabilities that only say what the list of blocks is like. */
const OF_BLOCKS: readonly string[] = [MAPPED_RAM, IGNORE_SHARED];

/**
 * What makes a stream of another kind a plain one: one that QEMU reads in order from a file or a socket, without a
 * capability switched on for it. The places of mapped-ram go, with the pages that lie there, as do the addresses of
 * x-ignore-shared, and packages and commands of postcopy and the memory after them.
 *
 * @param places of blocks that have more than a plain stream says of them
 */
export function plainPatches(stream: MigrationStream, places: readonly BlockPlace[]): Patch[] {
  const patches: Patch[] = places.map(({ head, end }) => ({ offset: head, length: end - head, bytes: [] }));
  const { capabilityPlace, capabilities, postcopy, length } = stream;
  const left = capabilities.filter((name) => !OF_BLOCKS.includes(name));
  if (capabilityPlace !== undefined && left.length < capabilities.length) {
    patches.push({ ...capabilityPlace, bytes: left.length === 0 ? [] : [capabilityBytes(left)] });
  }
  const end = memoryAfter(stream);
  for (const place of postcopy?.commands ?? []) if (place.offset < end) patches.push({ ...place, bytes: [] });
  if (end < length) patches.push({ offset: end, length: length - end, bytes: [Uint8Array.of(RECORD_END)] });
  return patches.sort((a, b) => a.offset - b.offset);
}

/** Where memory begins that a machine sends when it is already gone; the end of the stream if there is none. */
export const memoryAfter = ({ postcopy, length }: MigrationStream): number => postcopy?.end ?? length;

/** The subsection of the configuration that lists capabilities. */
function capabilityBytes(names: readonly string[]): Uint8Array {
  const named = (name: string): number[] => [name.length, ...new TextEncoder().encode(name)];
  return Uint8Array.from([
    ...[RECORD_SUBSECTION, ...named(CAPABILITIES), 0, 0, 0, 1],
    ...[0, 0, names.length >>> 8, names.length & 255],
    ...names.flatMap(named),
  ]);
}
