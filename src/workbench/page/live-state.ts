import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { EVENT_CLASSES, type Lanes } from "../protocol.ts";
import type { LiveItem, LiveMessage, LiveNow, Served } from "../served.ts";

/** States that the picture has: at two a second five minutes. */
const MAX_STATES = 600;

type Attached = Extract<LiveItem, { readonly type: "attached" }>;

/** What of a state the picture has. */
interface Sample {
  readonly events: number;
  /** By LIOBN: pages mapped, unmapped, translations since the beginning, pages mapped now. */
  readonly windows: ReadonlyMap<string, readonly [number, number, number, number]>;
}

/** A running QEMU, as the server tells of it. */
export class LiveSession {
  readonly #log: string;
  readonly attached: Signal<Attached | undefined> = signal(undefined);
  readonly #last: Signal<LiveNow | undefined> = signal(undefined);
  /** What is shown while it is held. */
  readonly #held: Signal<
    { readonly now: LiveNow | undefined; readonly samples: readonly Sample[] } | undefined
  > = signal(undefined);
  readonly #samples: Signal<readonly Sample[]> = signal([]);
  /** States that this page was too slow for. */
  readonly dropped: Signal<number> = signal(0);
  /** Why nothing more comes; "" as long as something may. */
  readonly ended: Signal<string> = signal("");
  readonly isHeld: ReadonlySignal<boolean> = computed(() => this.#held.value !== undefined);
  readonly now: ReadonlySignal<LiveNow | undefined> = computed(() =>
    this.#held.value === undefined ? this.#last.value : this.#held.value.now,
  );
  readonly lanes: ReadonlySignal<{ readonly lanes: Lanes; readonly names: readonly string[] }> = computed(
    () => lanesOf(this.#held.value?.samples ?? this.#samples.value),
  );

  constructor({ events, log }: NonNullable<Served["live"]>) {
    this.#log = log;
    const source = new EventSource(new URL(events, document.baseURI));
    source.onmessage = ({ data }: MessageEvent<string>) => {
      this.#take(JSON.parse(data) as LiveMessage);
      if (this.ended.value !== "") source.close();
    };
    source.onerror = () => {
      source.close();
      if (this.ended.value === "") this.ended.value = "spapr-iommu ui ended";
    };
  }

  /** Shows what there is now, whatever comes, or all that came. */
  hold(): void {
    this.#held.value = this.isHeld.value
      ? undefined
      : { now: this.#last.value, samples: this.#samples.value };
  }

  /** The log as it is now, to be opened as a file. */
  async logNow(): Promise<{ name: string; data: { url: string; size: number } }> {
    const url = new URL(this.#log, document.baseURI).href;
    const response = await fetch(url, { method: "HEAD" });
    if (!response.ok) throw new Error("the log cannot be read by spapr-iommu ui");
    const name = this.attached.value?.log ?? "log";
    return { name, data: { url, size: Number(response.headers.get("content-length")) } };
  }

  #take({ item, dropped }: LiveMessage): void {
    batch(() => {
      this.dropped.value = dropped;
      if (item.type === "attached") this.attached.value = item;
      if (item.type === "end") this.ended.value = item.message;
      if (item.type !== "state" && item.type !== "end") return;
      this.#last.value = item;
      this.#samples.value = [...this.#samples.value, sampleOf(item)].slice(-MAX_STATES);
    });
  }
}

function sampleOf({ events, windows, traffic }: LiveNow): Sample {
  const mapped = new Map(windows.map((window) => [window.liobn, window.mapped]));
  const names = new Set([...mapped.keys(), ...traffic.map(({ liobn }) => liobn)]);
  const byName = new Map(traffic.map((one) => [one.liobn, one]));
  const row = (name: string): [number, number, number, number] => {
    const { pagesMapped = 0, pagesUnmapped = 0, translations = 0 } = byName.get(name) ?? {};
    return [pagesMapped, pagesUnmapped, translations, mapped.get(name) ?? 0];
  };
  return { events, windows: new Map([...names].map((name) => [name, row(name)])) };
}

/** What happened between states, as lanes have it of a file: a column for each. */
function lanesOf(samples: readonly Sample[]): { lanes: Lanes; names: string[] } {
  const names = [...new Set(samples.flatMap(({ windows }) => [...windows.keys()]))];
  const columns = Math.max(1, samples.length - 1);
  const counts = new Uint32Array(names.length * EVENT_CLASSES.length * columns);
  const mapped = new Float64Array(names.length * columns);
  const kinds = (["map", "unmap", "use"] as const).map((kind) => EVENT_CLASSES.indexOf(kind));
  for (const [lane, name] of names.entries()) {
    for (let i = 0; i < columns; i++) {
      const [before, after] = [samples[i]?.windows.get(name), samples[i + 1]?.windows.get(name)];
      mapped[lane * columns + i] = (after ?? before)?.[3] ?? 0;
      for (const [number, kind] of kinds.entries())
        counts[(lane * EVENT_CLASSES.length + kind) * columns + i] = Math.max(
          0,
          (after?.[number] ?? 0) - (before?.[number] ?? after?.[number] ?? 0),
        );
    }
  }
  const events = Float64Array.from({ length: columns + 1 }, (_, i) => i);
  return { lanes: { axis: "time", from: 0, to: columns, columns, events, counts, mapped }, names };
}
