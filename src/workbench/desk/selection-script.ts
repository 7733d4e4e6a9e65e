import { IommuError } from "../../base/errors.ts";
import { hex, log2 } from "../../base/u64.ts";
import { createCall, headerOf } from "../../check/shrink/header.ts";
import type { Operation } from "../../check/shrink/target.ts";
import type { WindowState } from "../../check/state/window-state.ts";
import { isPciLiobn, MAX_LIST_ENTRIES } from "../../spapr/papr.ts";
import type { Calls, Row, Space } from "../protocol.ts";
import { spaceOf } from "./answers.ts";
import type { Recording } from "./recording.ts";

/** Calls of a script: more are nothing that a person reads. */
const MAX_CALLS = 20_000;
/** Where scripts put lists. */
const LIST_ADDRESS = "0x200000";
const PERMISSIONS: Readonly<Record<string, bigint>> = { "r-": 1n, "-w": 2n, rw: 3n };

/**
 * An op script that leads to what a window has in a stretch of pages: the machine, its windows, and the calls that map
 * what is mapped. What is not known is left out.
 *
 * @throws IommuError UNSUPPORTED for what is no window; LIMIT_EXCEEDED if it takes too many calls
 */
export function scriptOf(
  recording: Recording,
  { event, space: number, first, end }: Calls["script"]["ask"],
): string {
  const space = spaceOf(recording, number);
  const { windows } = recording.stateAt(event);
  const window = windows.find(({ liobn }) => hex(liobn) === space.name);
  if (window === undefined || space.kind !== "window") {
    const why = "op scripts are made of the calls of a pSeries guest, which fill windows";
    throw new IommuError("UNSUPPORTED", `${space.name}: is no window after event ${event}; ${why}`);
  }
  const maps: Operation[] = [];
  recording.contents(space, event)?.forEachRow({ first, end }, (row) => {
    for (const call of mapsOf(space, row)) {
      if (maps.length === MAX_CALLS)
        throw new IommuError("LIMIT_EXCEEDED", `more than ${MAX_CALLS} calls map this: select less`);
      maps.push(call);
    }
  });
  const operations = [...creations(windows, window), ...maps];
  const dma64 = windows.find(({ liobn }) => liobn === window.liobn - (window.liobn & 0xff) + 1);
  const isDefault = (window.liobn & 0xff) === 0 && isPciLiobn(window.liobn);
  const machine = {
    title: `${space.name} after event ${event}`,
    liobn: window.liobn,
    busOffset: window.busOffset,
    dma64WinAddr: dma64?.busOffset,
    ...(isDefault ? { dmaWinSize: BigInt(window.entries) << BigInt(window.pageShift) } : {}),
  };
  const header = headerOf(operations, machine, undefined);
  return [header, ...operations].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** Creates the windows of the same bridge that a machine does not have from its start. */
function creations(windows: readonly WindowState[], window: WindowState): Operation[] {
  const bridge = (liobn: number): number => liobn & ~0xff;
  return windows
    .filter(
      ({ liobn }) => isPciLiobn(liobn) && (liobn & 0xff) !== 0 && bridge(liobn) === bridge(window.liobn),
    )
    .map(({ liobn, pageShift, entries }) => createCall(liobn, pageShift, pageShift + log2(BigInt(entries))));
}

function* mapsOf(space: Space, row: Row): Generator<Operation> {
  const { pages, target, sameTarget, access } = row;
  const perm = PERMISSIONS[access];
  if (target === undefined || perm === undefined) return;
  const shift = BigInt(space.pageShift);
  const iobaOf = (page: number): string => hex(BigInt.asUintN(64, row.address + (BigInt(page) << shift)));
  const tceOf = (page: number): string =>
    hex((sameTarget ? target : target + (BigInt(page) << shift)) | perm);
  const liobn = space.name;
  for (let at = 0; at < pages; at += MAX_LIST_ENTRIES) {
    const count = Math.min(MAX_LIST_ENTRIES, pages - at);
    const ioba = iobaOf(at);
    if (count === 1) yield { op: "h_put_tce", liobn, ioba, tce: tceOf(at) };
    else if (sameTarget) yield { op: "h_stuff_tce", liobn, ioba, tce: tceOf(at), npages: hex(count) };
    else {
      const list = Array.from({ length: count }, (_, i) => tceOf(at + i));
      yield { op: "h_put_tce_indirect", liobn, ioba, listAddr: LIST_ADDRESS, list };
    }
  }
}
