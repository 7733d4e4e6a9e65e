import { type CreatedWindow, createHugeWindow, HUGE_GUEST } from "../../lab/huge-guest.ts";
import { LabMachine } from "../../lab/lab-machine.ts";
import type { ReplayReport } from "../../memory/iommu-hooks.ts";
import { IommuNotifier, NotifierFlag } from "../../memory/iommu-notifier.ts";
import { PageWalk } from "../../memory/page-walk.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import { Hcall } from "../../spapr/papr.ts";
import { replayByRuns } from "../../spapr/window-replay.ts";
import { NO_FD } from "../../spapr/window-table.ts";
import type { PassedThroughDevice } from "../../vfio/passed-through-device.ts";
import type { ReplayCase, Story } from "../stage-protocol.ts";

/** A page of the window, and where it points. */
interface Mapping {
  readonly page: number;
  readonly target: bigint;
}

/** What the guest has mapped when a device is plugged: a page in each 16th of the window, no two of which are one run. */
const MAPPED: readonly Mapping[] = Array.from({ length: 16 }, (_, i) => ({
  page: i * 2 ** (HUGE_GUEST.windowShift - HUGE_GUEST.pageShift - 4),
  target: 0x100_0000n + BigInt(i) * 2n * HUGE_GUEST.pageBytes,
}));
/** The page that the guest maps afterwards: none of those, and not beside one. */
const LATER: Mapping = { page: 3, target: 0x80_0000n };

/** The scenarios' context, of which these machines need nothing. */
const CONTEXT = {
  now: () => 0,
  profile: undefined,
  coherence: false,
  trace: { name: "none", open: async function* (): AsyncGenerator<Uint8Array> {} },
};

/** One case up to the moment of which the story tells: the window is there, a device is plugged, and a replay was made. */
export class PlayedCase {
  readonly window: DmaWindow;
  /** Pages that were mapped when the replay was made. */
  readonly found: readonly number[];
  /** How the listener's replay went; undefined if it waits for a change. */
  readonly replay: ReplayReport | undefined;
  /** Runs that a counted replay looks at. */
  readonly runs: number;
  readonly #lab: LabMachine;
  readonly #created: CreatedWindow;
  readonly #device: PassedThroughDevice;
  readonly #mapped: Mapping[] = [];

  /** @param lazyReplay the listener replays when the first change is notified, and not at once */
  constructor(replay: ReplayCase, accel: Story["accel"], lazyReplay: boolean) {
    this.#lab = new LabMachine(CONTEXT, accel.toUpperCase(), {
      accel,
      lazyReplay,
      ramSize: HUGE_GUEST.ramBytes,
      deviceRam: [{ address: HUGE_GUEST.gpuAddress, sizeBytes: HUGE_GUEST.gpuBytes }],
    });
    const { machine } = this.#lab.hosted;
    if (replay === "new-window") {
      this.#device = this.#lab.plug(0);
      this.#created = createHugeWindow(machine);
    } else {
      this.#created = createHugeWindow(machine);
      for (const mapping of MAPPED) this.#put(mapping);
      this.#device = this.#lab.plug(0);
    }
    this.window = this.#created.window;
    this.found = this.#mapped.map(({ page }) => page);
    this.replay = this.window.lastReplay;
    this.runs = replayByRuns(this.window, newNotifier()).steps;
  }

  /** Bus address of the window. */
  get start(): bigint {
    return this.#created.start;
  }

  /** Does QEMU have the table in its own memory, to which VFIO makes it copy all of it (QEMU-WINDOW-6)? */
  get isCopied(): boolean {
    return this.window.fd === NO_FD;
  }

  /** Requests to the host's kernel to map something, so far. */
  get mapCalls(): number {
    return this.#lab.requests("map");
  }

  /** Mappings of the guest that the device reaches now. */
  get reached(): number {
    const { hosted } = this.#lab;
    return this.#mapped.filter(
      ({ page, target }) => hosted.reach(this.#device, this.#iovaOf(page), true) === target,
    ).length;
  }

  /**
   * The guest maps one page more.
   *
   * @returns who served the call
   */
  putLater(): "qemu" | "kvm" {
    this.#put(LATER);
    return this.#lab.hosted.machine.servedBy;
  }

  /** Pages that are mapped now, in order. */
  get pages(): readonly number[] {
    return this.#mapped.map(({ page }) => page).sort((a, b) => a - b);
  }

  /** The generic replay of the window, to be walked piece by piece. */
  walk(): PageWalk {
    return new PageWalk(this.window.iommu, newNotifier());
  }

  #put(mapping: Mapping): void {
    const { page, target } = mapping;
    const { machine } = this.#lab.hosted;
    const { status } = machine.call(Hcall.PUT_TCE, this.#created.liobn, this.#iovaOf(page), target | 3n);
    if (status !== 0) throw new Error(`H_PUT_TCE of page ${page} answered ${status}`);
    this.#mapped.push(mapping);
  }

  #iovaOf(page: number): bigint {
    return this.#created.start + BigInt(page) * HUGE_GUEST.pageBytes;
  }
}

const newNotifier = (): IommuNotifier =>
  new IommuNotifier({ name: "theatre", flags: NotifierFlag.IOTLB_EVENTS, notify: () => {} });
