import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Example } from "../examples.ts";
import { type Place, placeOfHash, placeToHash, type Selection } from "../maths/hash.ts";
import type { HeatColour } from "../maths/heat-grid.ts";
import { rowOfPage, rowPages } from "../maths/heat-rows.ts";
import type { PanelSizes } from "../maths/panel-sizes.ts";
import { inside, revealing, type View } from "../maths/view.ts";
import type {
  Axis,
  EventClass,
  HeatRows,
  HeatView,
  Hit,
  Instant,
  ShownFinding,
  Space,
  SpaceAt,
  Summary,
} from "../protocol.ts";
import { EVENT_CLASSES } from "../protocol.ts";
import type { RemoteBytes } from "../served.ts";
import { Client, type Told } from "./client.ts";
import { newFile, type OpenFile } from "./open-file.ts";
import { room, roomOfHash } from "./rooms.ts";
import { firstSpace, fullest, isSelected, spaceNameOf } from "./space-choice.ts";

/**
 * Milliseconds without a change after which the page's address says what is shown: browsers refuse many changes of it, and
 * load the icon of the page anew for each.
 */
const HASH_MS = 100;

/**
 * What is read is shown after so large a part of the time that was read for: drawing it takes time from reading, and what
 * comes later changes less of the pictures.
 */
const PICTURE_PART = 2 / 3;

/**
 * What the page shows: one file, one playhead, one space, one selection. Everything on the page follows these, and
 * nothing on it has them twice.
 */
export class Bench {
  readonly client: Client;
  readonly files: Signal<readonly OpenFile[]> = signal([]);
  readonly active: Signal<number> = signal(-1);
  /** The event after which all is shown. */
  readonly playhead: Signal<number> = signal(0);
  /** Does the playhead follow what is read? */
  readonly #follows: Signal<boolean> = signal(true);
  readonly spaceName: Signal<string> = signal("");
  readonly axis: Signal<Axis> = signal("event");
  readonly timeView: Signal<View | undefined> = signal(undefined);
  readonly heatView: Signal<HeatView | undefined> = signal(undefined);
  /** Rows of the heat map, by the room that there is for it. */
  readonly heatRows: Signal<number> = signal(12);
  /** The rows of the space that are shown: the heat map and the lifetimes have the same ones. */
  readonly rows: Signal<(HeatRows & { readonly space: number }) | undefined> = signal(undefined);
  /** Stretches of pages that somebody unfolded. */
  readonly unfolded: Signal<readonly { readonly first: number; readonly end: number }[]> = signal([]);
  readonly selection: Signal<Selection | undefined> = signal(undefined);
  readonly filter: Signal<string> = signal("");
  readonly filterError: Signal<string> = signal("");
  readonly finding: Signal<number> = signal(-1);
  readonly mark: Signal<number> = signal(-1);
  readonly colour: Signal<HeatColour> = signal("permission");
  /** Classes of events that the legend shows. */
  readonly classes: Signal<ReadonlySet<EventClass>> = signal(new Set(EVENT_CLASSES));
  readonly spacesAt: Signal<readonly SpaceAt[]> = signal([]);
  readonly isHelpOpen: Signal<boolean> = signal(false);
  readonly isSearchOpen: Signal<boolean> = signal(false);
  /** Sizes of panels that somebody chose. */
  readonly sizes: Signal<PanelSizes> = signal({});
  /** A moment of another file that this one is compared with. */
  readonly other: Signal<Instant | undefined> = signal(undefined);
  /** What was said last. */
  readonly said: Signal<string> = signal("");

  readonly file: ReadonlySignal<OpenFile | undefined> = computed(() =>
    this.files.value.find(({ number }) => number === this.active.value),
  );
  readonly summary: ReadonlySignal<Summary | undefined> = computed(() => this.file.value?.summary);
  readonly events: ReadonlySignal<number> = computed(() => this.summary.value?.events ?? 0);
  /** The whole of the axis. */
  readonly whole: ReadonlySignal<View> = computed(() => {
    const summary = this.summary.value;
    const seconds = summary?.seconds ?? Number.NaN;
    if (this.axis.value === "time" && seconds > 0) return { from: 0, to: seconds * (1 + 1e-9) };
    return { from: 0, to: Math.max(1, summary?.events ?? 1) };
  });
  readonly view: ReadonlySignal<View> = computed(() => {
    const view = this.timeView.value;
    return view === undefined ? this.whole.value : inside(view, this.whole.value);
  });
  /** The spaces of that name, of which one is there at a time. */
  readonly space: ReadonlySignal<Space | undefined> = computed(() => {
    const spaces = (this.summary.value?.spaces ?? []).filter(({ name }) => name === this.spaceName.value);
    const at = this.playhead.value;
    return (
      spaces.find(({ from, until }) => from <= at && at < until) ??
      spaces.findLast(({ from }) => from <= at) ??
      spaces[0]
    );
  });

  /** What the playhead is compared with: another file, or the mark. */
  readonly before: ReadonlySignal<Instant | undefined> = computed(() => {
    if (this.other.value !== undefined) return this.other.value;
    return this.mark.value < 0 ? undefined : { file: this.active.value, event: this.mark.value };
  });

  /** Are only those findings listed that are in the selection? */
  readonly onlySelected: Signal<boolean> = signal(false);
  /** The findings that are listed. */
  readonly findings: ReadonlySignal<readonly ShownFinding[]> = computed(() => {
    const findings = this.file.value?.findings ?? [];
    const [space, selection] = [this.space.value, this.selection.value];
    if (!this.onlySelected.value || space === undefined || selection === undefined) return findings;
    return findings.filter((finding) => isSelected(finding, space, selection));
  });

  #number = 0;
  /** Did somebody choose the space that is shown? */
  #isSpaceChosen = false;
  #place: Place = {};
  #isRestoring = false;
  #wantedOther: Place["other"];
  /** What the page's address is to say, and the timer of which the end writes it; the first of many changes is written at once. */
  #hash: string | undefined;
  #hashTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.client = new Client((message) => this.#told(message));
    effect(() => this.#askSpaces());
    effect(() => this.#writeHash());
    effect(() => this.#findOther());
    // Somebody went to another address; what this page writes itself is told to nobody. By the time that it is told, the
    // page may have written its own again.
    addEventListener("hashchange", ({ newURL }) => this.#goTo(new URL(newURL).hash));
  }

  /** Opens files one beside the other; the first of them is shown. */
  open(
    files: readonly {
      readonly name: string;
      readonly data: Blob | RemoteBytes;
      readonly example?: string;
    }[],
  ): void {
    for (const [i, { name, data, example }] of files.entries()) {
      const number = ++this.#number;
      const file = newFile(number, name, example);
      this.files.value = [...this.files.value, file];
      if (i === 0) this.show(number);
      this.client.ask("open", number, { name, data }).catch((error: Error) => {
        this.#change(number, () => ({ error: error.message, isDone: true }));
      });
    }
  }

  /** Opens a recording that lies beside the page. */
  async openExample({ file }: Pick<Example, "file">): Promise<void> {
    const response = await fetch(new URL(`examples/${file}`, document.baseURI));
    if (!response.ok) throw new Error(`${file}: ${response.status} ${response.statusText}`);
    this.open([{ name: file, data: await response.blob(), example: file }]);
  }

  /** Shows another file from its end on, or as the page's address says. */
  show(number: number): void {
    batch(() => {
      this.active.value = number;
      this.#follows.value = true;
      this.playhead.value = Math.max(0, this.events.value - 1);
      this.spaceName.value = "";
      this.#isSpaceChosen = false;
      this.timeView.value = undefined;
      this.heatView.value = undefined;
      this.unfolded.value = [];
      this.rows.value = undefined;
      this.selection.value = undefined;
      this.finding.value = -1;
      this.mark.value = -1;
      this.other.value = undefined;
      this.onlySelected.value = false;
      this.filter.value = "";
      this.filterError.value = "";
      this.axis.value = "event";
      this.#choose();
    });
    const place = this.#place;
    this.#place = {};
    if (Object.keys(place).length > 0) this.#restore(place);
  }

  close(number: number): void {
    this.client.ask("close", number, {}).catch(() => {});
    this.files.value = this.files.value.filter((file) => file.number !== number);
    if (this.other.value?.file === number) this.other.value = undefined;
    if (this.active.value === number) this.show(this.files.value.at(-1)?.number ?? -1);
  }

  stop(number: number): void {
    this.client.ask("stop", number, {}).catch(() => {});
  }

  /** Moves the playhead to an event. */
  go(event: number): void {
    batch(() => {
      this.#follows.value = false;
      this.playhead.value = Math.max(0, Math.min(this.events.value - 1, Math.round(event)));
    });
  }

  /** Moves the playhead, and the time that is shown so far that it is in there. */
  async reveal(event: number): Promise<void> {
    this.go(event);
    const at = await this.placeOf(event);
    this.timeView.value = revealing(this.view.value, this.whole.value, at);
  }

  /** The place of an event on the axis. */
  async placeOf(event: number): Promise<number> {
    if (this.axis.value === "event") return event;
    const { seconds } = await this.client.ask("secondsOf", this.active.value, { event });
    return seconds;
  }

  /** The event at a place of the axis. */
  async eventOf(place: number): Promise<number> {
    if (this.axis.value === "event") return Math.round(place);
    return await this.client.ask("eventAt", this.active.value, { seconds: place });
  }

  /** Chooses a finding: the playhead, the space, the addresses and the lines follow it. */
  async choose(finding: ShownFinding): Promise<void> {
    const event = finding.events.at(-1) ?? 0;
    const name = spaceNameOf(finding);
    batch(() => {
      this.finding.value = finding.number;
      if (name !== undefined && this.summary.value?.spaces.some((space) => space.name === name))
        this.spaceName.value = name;
      this.#isSpaceChosen = true;
      this.playhead.value = event;
      this.#follows.value = false;
    });
    const space = this.space.value;
    // A list of what is selected stays as it is while one goes through it.
    if (space !== undefined && finding.ioba !== undefined && !this.onlySelected.value) {
      const page = Number((finding.ioba - space.start) >> BigInt(space.pageShift));
      if (page >= 0 && page < space.pages) {
        const first = finding.events[0] ?? event;
        this.selection.value = {
          from: first,
          to: event,
          first: page,
          end: page + Math.max(1, finding.pages),
        };
        this.revealPage(page);
      }
    }
    await this.reveal(event);
  }

  /** Compares what is shown with a moment of another file, and colours what differs. */
  compareWith(other: Instant | undefined): void {
    batch(() => {
      this.other.value = other;
      if (other !== undefined) this.colour.value = "change";
      else if (this.mark.value < 0 && this.colour.value === "change") this.colour.value = "permission";
    });
  }

  /**
   * Selects a stretch of time, and of addresses.
   *
   * @param from place on the axis
   * @param pages if absent, those that were selected, or all
   */
  async select(
    from: number,
    to: number,
    pages?: { readonly first: number; readonly end: number },
  ): Promise<void> {
    const [first, last] = [await this.eventOf(from), await this.eventOf(to)];
    const { first: low = 0, end = this.space.value?.pages ?? 1 } = pages ?? this.selection.value ?? {};
    this.selection.value = { from: first, to: Math.max(first, last), first: low, end };
  }

  /** Goes where something was found. */
  async goToHit({ event, place }: Hit): Promise<void> {
    if (place !== undefined) {
      const space = this.summary.value?.spaces.find(({ number }) => number === place.space);
      if (space !== undefined) this.chooseSpace(space.name);
      const isWhole = place.first === 0 && place.pages === space?.pages;
      if (!isWhole) {
        const { first, pages } = place;
        this.selection.value = { from: event, to: event, first, end: first + pages };
        this.revealPage(first);
      }
    }
    await this.reveal(event);
  }

  /** Moves the heat map so far that a page is shown. */
  revealPage(page: number): void {
    const view = this.heatView.value;
    const rows = this.rows.value;
    if (view === undefined || rows === undefined) return;
    const row = rowOfPage(rows, page);
    if (row >= 0 && row < rows.starts.length && rows.folds[row] === 1) return;
    this.heatView.value = { first: page, shift: rows.shift, row: Math.floor(this.heatRows.value / 2) };
  }

  /** Shows the rows that one stands for. */
  unfold(row: number): void {
    const { starts, folds, shift } = this.rows.value!;
    const first = starts[row]!;
    batch(() => {
      this.unfolded.value = [...this.unfolded.value, { first, end: first + folds[row]! * rowPages(shift) }];
      this.heatView.value = { first, shift, row };
    });
  }

  chooseSpace(name: string): void {
    batch(() => {
      this.#isSpaceChosen = true;
      if (name === this.spaceName.value) return;
      this.spaceName.value = name;
      this.heatView.value = undefined;
      this.unfolded.value = [];
      this.selection.value = undefined;
    });
  }

  async setFilter(text: string): Promise<void> {
    batch(() => {
      this.filter.value = text;
      this.filterError.value = "";
      this.finding.value = -1;
    });
    try {
      await this.client.ask("filter", this.active.value, { text });
    } catch (error) {
      this.filterError.value = (error as Error).message;
    }
  }

  #change(number: number, change: (file: OpenFile) => Partial<OpenFile>): void {
    this.files.value = this.files.value.map((file) =>
      file.number === number ? { ...file, ...change(file) } : file,
    );
  }

  #told(message: Told): void {
    batch(() => {
      if (message.what === "findings") {
        const { findings, left, notJudged } = message;
        this.#change(message.file, () => ({ findings, left, notJudged }));
        return;
      }
      const { progress, summary, isDone } = message;
      const now = performance.now();
      const isDue = isDone || this.#isDue(message.file, now);
      this.#change(message.file, () => ({ progress, isDone, ...(isDue ? { summary, shownAt: now } : {}) }));
      if (message.file !== this.active.value || !isDue) return;
      if (this.#follows.value) this.playhead.value = Math.max(0, summary.events - 1);
      this.#choose();
    });
    if (message.what === "read" && message.isDone && message.file === this.active.value) this.#finish();
  }

  /** Is it time to show what was read meanwhile? What nobody sees is shown when it is done. */
  #isDue(number: number, now: number): boolean {
    const file = this.files.value.find((one) => one.number === number);
    if (file?.shownAt === undefined) return true;
    return !document.hidden && now - file.shownAt >= (now - file.openedAt) * PICTURE_PART;
  }

  /** Shows the space with most of it, until somebody chooses one; time, where there is one. */
  #choose(): void {
    const { summary } = this.file.value ?? {};
    if (summary === undefined) return;
    if (this.spaceName.value === "") this.spaceName.value = this.#wanted?.space ?? firstSpace(summary);
  }

  /** What of an address that was opened has to wait until all was read. */
  #wanted: Place | undefined;

  #finish(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (wanted !== undefined) this.#apply(wanted);
    else if (Number.isFinite(this.summary.value?.seconds) && this.timeView.value === undefined) {
      this.axis.value = "time";
    }
  }

  /** Brings the page to a place, as soon as that is there. */
  #restore(place: Place): void {
    this.#hash = undefined;
    const file = this.file.value;
    if (place.example !== undefined && file?.example !== place.example) {
      const there = this.files.value.find(({ example }) => example === place.example);
      this.#place = place;
      if (there !== undefined) this.show(there.number);
      else this.openExample({ file: place.example }).catch((error: Error) => this.say(error.message));
      return;
    }
    if (file?.isDone === true) this.#apply(place);
    else if (file !== undefined) this.#wanted = place;
    else this.#place = place;
  }

  #apply(place: Place): void {
    this.#isRestoring = true;
    batch(() => {
      const { axis, at, space, time, heat, selection, mark, colour, finding } = place;
      this.axis.value = axis ?? (Number.isFinite(this.summary.value?.seconds) ? "time" : "event");
      if (space !== undefined) {
        this.spaceName.value = space;
        this.#isSpaceChosen = true;
      }
      if (at !== undefined) this.go(at);
      this.timeView.value = time;
      this.heatView.value = heat;
      this.selection.value = selection;
      this.mark.value = mark ?? -1;
      this.colour.value = colour ?? "permission";
      this.finding.value = finding ?? -1;
      this.sizes.value = place.sizes ?? {};
      this.#wantedOther = place.other;
      this.other.value = undefined;
      this.#isRestoring = false;
    });
    if ((place.filter ?? "") !== this.filter.value) void this.setFilter(place.filter ?? "");
  }

  #otherPlace(): Place["other"] {
    const { value: other } = this.other;
    const name = this.files.value.find(({ number }) => number === other?.file)?.name;
    return other === undefined || name === undefined ? undefined : { name, event: other.event };
  }

  /** Compares with the file that an address names, as soon as that is open. */
  #findOther(): void {
    const wanted = this.#wantedOther;
    const file = this.files.value.find(
      ({ name, isDone, summary }) => name === wanted?.name && isDone && summary !== undefined,
    );
    if (wanted === undefined || file === undefined || file.number === this.active.value) return;
    this.#wantedOther = undefined;
    this.other.value = { file: file.number, event: wanted.event };
  }

  /** Opens what the page's address says. */
  start(): void {
    this.#goTo(location.hash);
  }

  #goTo(hash: string): void {
    if (roomOfHash(hash) === "recordings") this.#restore(placeOfHash(hash));
  }

  say(text: string): void {
    this.said.value = text;
  }

  /** Says why something is not shown; nothing if its file was closed meanwhile. */
  failed(file: number): (error: Error) => void {
    return (error) => {
      if (this.files.value.some(({ number }) => number === file)) this.say(`not shown: ${error.message}`);
    };
  }

  #askSpaces(): void {
    const file = this.active.value;
    const event = this.playhead.value;
    if (this.summary.value === undefined || this.events.value === 0) {
      this.spacesAt.value = [];
      return;
    }
    this.client
      .moment("spaces", "spaces", file, { event })
      .then((spaces) => {
        if (spaces === undefined || this.active.value !== file) return;
        this.spacesAt.value = spaces;
        if (!this.#isSpaceChosen && this.#follows.value)
          this.spaceName.value = fullest(spaces) ?? this.spaceName.value;
      })
      .catch(this.failed(file));
  }

  #writeHash(): void {
    const file = this.file.value;
    const whole = this.events.value - 1;
    const place: Place = {
      example: file?.example,
      at: this.playhead.value === whole ? undefined : this.playhead.value,
      space: this.spaceName.value,
      axis: this.axis.value === "event" && Number.isFinite(this.summary.value?.seconds) ? "event" : undefined,
      time: this.timeView.value,
      heat: this.heatView.value,
      selection: this.selection.value,
      filter: this.filter.value,
      finding: this.finding.value < 0 ? undefined : this.finding.value,
      mark: this.mark.value < 0 ? undefined : this.mark.value,
      colour: this.colour.value === "permission" ? undefined : this.colour.value,
      sizes: this.sizes.value,
      other: this.#wantedOther ?? this.#otherPlace(),
    };
    const isShown = room.value === "recordings" && file?.isDone === true && !this.#isRestoring;
    this.#hash = isShown ? placeToHash(place) : undefined;
    if (this.#hash === undefined) return;
    if (this.#hashTimer === undefined) this.#putHash();
    clearTimeout(this.#hashTimer);
    this.#hashTimer = setTimeout(() => {
      this.#hashTimer = undefined;
      this.#putHash();
    }, HASH_MS);
  }

  #putHash(): void {
    // Who wrote the same in other words keeps them: a browser takes milliseconds for a new address.
    if (this.#hash === undefined || this.#hash === placeToHash(placeOfHash(location.hash))) return;
    history.replaceState(null, "", `#${this.#hash}`);
  }
}

export const bench: Bench = new Bench();
