import { toBig } from "../../base/u64.ts";
import {
  ATTRIBUTE_BITS,
  BIDIRECTIONAL,
  DIRECTION_NAMES,
  FROM_DEVICE,
  type LinuxDmaEvent,
  TO_DEVICE,
} from "../../formats/trace/dma-event.ts";
import { DMA_KINDS } from "../../formats/trace/dma-kinds.ts";
import type { FindingLog } from "../findings/log.ts";
import { type Place, placeText } from "../findings/place.ts";
import type { LiveMapping } from "./live-mapping.ts";
import { pagesOf, placeOfDma } from "./report.ts";
import { Habit, type Suspect } from "./sync-habit.ts";
import {
  FOR_CPU,
  FOR_DEVICE,
  type Side,
  SyncedBytes,
  type SyncedPiece,
  type SyncState,
} from "./synced-bytes.ts";

/** A driver that gave back a buffer so often for each time that it did not forgot it then. */
const GIVEN_BACK = 32;

const SKIP_CPU_SYNC = ATTRIBUTE_BITS.SKIP_CPU_SYNC!;

const OWNER_NAMES = ["CPU", "device"] as const;

/**
 * Finds syncs that are missing on one device, by what its driver does otherwise.
 *
 * A call that makes nothing to do leaves no line, so a recording can have no
 * syncs at all: a device must have shown one before anything is said of it.
 * Then four things can be seen:
 * - a mapping whose unmap skips the sync (`SKIP_CPU_SYNC`) and that was never
 *   synced for the CPU, while others of its direction were;
 * - a mapping whose map skipped the sync and that was never synced for the
 *   device, while others were;
 * - a mapping whose unmap skips the sync and that was synced for the device
 *   last, while all others of its direction were synced for the CPU then;
 * - bytes that are used again and were synced twice for the same side without
 *   one for the other between, while they went to and fro all the other times.
 *   (But a driver may look at a header, and then at all of its packet.)
 *
 * Buffers that nobody used need no sync: a driver that goes unmaps a ring of
 * them one after another, before it frees the ring. These are no suspects.
 */
export class MissingSyncs {
  /** By direction: syncs for the CPU before an unmap that skips them, and for the device after such a map. */
  readonly #skipped: readonly (readonly [Habit, Habit])[] = DIRECTION_NAMES.map(() => [
    new Habit(),
    new Habit(),
  ]);
  /** By direction: syncs for the CPU after those for the device, before an unmap that skips them. */
  readonly #last: readonly Habit[] = DIRECTION_NAMES.map(() => new Habit());
  /** By direction: syncs for the one side that follow one for the other. */
  readonly #turns: readonly (readonly [Habit, Habit])[] = DIRECTION_NAMES.map(() => [
    new Habit(),
    new Habit(),
  ]);
  readonly #habits: readonly Habit[] = [...this.#skipped.flat(), ...this.#turns.flat(), ...this.#last];
  readonly #pool: number;
  /** The mapping that was synced last. */
  #latest: SyncState | undefined;
  /** Mappings made by this event or later are ones whose syncs leave lines. */
  #visibleFrom = Number.POSITIVE_INFINITY;
  /** Was a sync skipped that left no line, before the first one that did? */
  #skippedUnseen = false;
  /** Is there a habit with a row of suspects? */
  #rows = false;
  /** Was a ring given back, and nothing mapped or synced since? */
  #closing = false;

  /** @param pool more suspects than these together are how the driver works */
  constructor(pool: number) {
    this.#pool = pool;
  }

  /** The device goes on working: what was unmapped before this map was no end of a ring. */
  mapped(): void {
    this.#closing = false;
    if (!this.#rows) return;
    this.#rows = false;
    for (const habit of this.#habits) habit.settle(this.#pool);
  }

  /**
   * A ring is given back: the buffers that are unmapped just before and after
   * that had not been used. But what is to be sent is mapped when it is used.
   */
  freed(): void {
    this.#closing = true;
    if (!this.#rows) return;
    this.#skipped.forEach((habits, direction) => {
      if (direction !== TO_DEVICE) for (const habit of [...habits, this.#last[direction]!]) habit.drop();
    });
  }

  /** A sync of bytes from `offset` on, in a mapping of this device. */
  synced(event: LinuxDmaEvent, mapping: LiveMapping, offset: number, size: number): void {
    this.mapped();
    if (this.#visibleFrom === Number.POSITIVE_INFINITY) {
      // A device can begin to need syncs while it runs. If skipped ones were not seen before, it may have.
      this.#visibleFrom = this.#skippedUnseen ? event.number : 0;
    }
    const { kind, number, line } = event;
    const side: Side = DMA_KINDS[kind]!.role === "sync-for-cpu" ? FOR_CPU : FOR_DEVICE;
    const piece = { event: number, line, side, first: offset, end: offset + size };
    mapping.syncs ??= { forCpu: false, forDevice: false, bytes: new SyncedBytes(), suspected: undefined };
    const state = mapping.syncs;
    if (state.suspected !== side) state.suspected = undefined;
    this.#turn(mapping, state, piece);
    if (side === FOR_CPU) state.forCpu = true;
    else state.forDevice = true;
    state.bytes.sync(piece);
    this.#latest = state;
  }

  /** Bytes are synced: were they with the other side until then? */
  #turn(mapping: LiveMapping, state: SyncState, piece: SyncedPiece): void {
    const { side, first, end } = piece;
    // Not all that was given away comes back at once: packets differ in length.
    const last = state.bytes.latest(first, end);
    if (last === undefined) return;
    if (last.side !== side) {
      this.#turns[mapping.direction]![side]!.kept++;
      return;
    }
    // A driver that looked at the header and takes the whole packet now does nothing between.
    const isMore = first <= last.first && last.end <= end && last.end - last.first < end - first;
    if ((isMore && this.#latest === state) || state.suspected === side) return;
    state.suspected = side;
    this.#rows = true;
    mapping.isHeld = true;
    this.#turns[mapping.direction]![1 - side]!.suspect({
      mapping,
      places: [mapping, last, piece],
      text: `${describe(mapping)} was synced for the ${OWNER_NAMES[side]} by ${placeText(last)} and again by ${placeText(piece)}, and not for the ${OWNER_NAMES[1 - side]} between`,
    });
  }

  /** A single mapping or a list ends. */
  unmapped(event: LinuxDmaEvent, mapping: LiveMapping): void {
    const { direction, syncs } = mapping;
    const skipsSync = (event.attributes & SKIP_CPU_SYNC) !== 0;
    const habits = this.#skipped[direction]!;
    if (direction === FROM_DEVICE || direction === BIDIRECTIONAL) {
      if (syncs?.forCpu === true) {
        habits[FOR_CPU].kept++;
        if (skipsSync) this.#lastSync(event, mapping, syncs);
      } else if (skipsSync) {
        const text = `${describe(mapping)} was never synced for the CPU, and its unmap by ${placeText(placeOfDma(event))} leaves that to the driver (SKIP_CPU_SYNC)`;
        this.#suspect(habits[FOR_CPU], mapping, event, text);
      }
    }
    if (direction !== TO_DEVICE && direction !== BIDIRECTIONAL) return;
    if (syncs?.forDevice === true) habits[FOR_DEVICE].kept++;
    else if (mapping.skipsSync) {
      const text = `${describe(mapping)} left it to the driver to sync (SKIP_CPU_SYNC), and was never synced for the device before its unmap by ${placeText(placeOfDma(event))}`;
      this.#suspect(habits[FOR_DEVICE], mapping, event, text);
    }
  }

  /** The unmap of what was synced for the CPU once skips that: was it for the CPU that it was synced last? */
  #lastSync(event: LinuxDmaEvent, mapping: LiveMapping, { bytes }: SyncState): void {
    const habit = this.#last[mapping.direction]!;
    const { pieces } = bytes;
    if (pieces.some(({ side }) => side === FOR_CPU)) {
      habit.kept++;
      return;
    }
    if (pieces.length === 0) return;
    const place = latestOf(pieces);
    const text = `${describe(mapping)} was synced for the device by ${placeText(place)}, and not for the CPU after that, and its unmap by ${placeText(placeOfDma(event))} leaves that to the driver (SKIP_CPU_SYNC)`;
    this.#suspect(habit, mapping, event, text, [place]);
  }

  /** Says what is missing. To be called after the last event, once. */
  report(device: string, log: FindingLog): void {
    this.mapped();
    const found: Suspect[] = [];
    for (const habit of this.#skipped.flat()) found.push(...habit.forgotten(1, this.#pool));
    for (const habit of [...this.#turns.flat(), ...this.#last])
      found.push(...habit.forgotten(GIVEN_BACK, this.#pool));
    found.sort((a, b) => a.places.at(-1)!.event - b.places.at(-1)!.event);
    for (const { mapping, places, text } of found) {
      log.add({
        kind: "missing-sync",
        device,
        ioba: toBig(mapping.dmaHi, mapping.dmaLo),
        pages: pagesOf(mapping.size),
        places,
        message: `${text}; the others of this device are`,
      });
    }
  }

  #suspect(
    habit: Habit,
    mapping: LiveMapping,
    event: LinuxDmaEvent,
    text: string,
    between: readonly Place[] = [],
  ): void {
    if (this.#visibleFrom === Number.POSITIVE_INFINITY) this.#skippedUnseen = true;
    const unused = this.#closing && mapping.direction !== TO_DEVICE;
    if (unused || mapping.event < this.#visibleFrom) return;
    this.#rows = true;
    mapping.isHeld = true;
    habit.suspect({ mapping, places: [mapping, ...between, placeOfDma(event)], text });
  }
}

const latestOf = (pieces: readonly SyncedPiece[]): SyncedPiece =>
  pieces.reduce((latest, piece) => (piece.event > latest.event ? piece : latest));

const describe = (mapping: LiveMapping): string =>
  `the mapping of ${mapping.size} bytes ${DIRECTION_NAMES[mapping.direction]} made by ${placeText(mapping)}`;
