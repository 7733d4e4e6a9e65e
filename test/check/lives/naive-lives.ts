import { Random } from "../../helpers/random.ts";

/** Pages of the space that events are made up in. */
export const PAGES = 64;
const PAGE = 4096;
/** Where the space begins, so that there is something in front of it. */
export const START = 0x10_0000;

/** A mapping as somebody would note it down who writes all of it into a book. */
export interface NaiveLife {
  readonly space: string;
  readonly begin: number;
  /** By page, when it ended; undefined while it has not. */
  readonly pages: Map<number, number | undefined>;
  /** By page, when it was used. */
  readonly uses: number[];
}

/** Made-up events, and what they did. */
export interface NaiveRecording {
  readonly text: string;
  readonly events: number;
  readonly lives: readonly NaiveLife[];
}

const hex = (value: number): string => value.toString(16);
const at = (page: number): number => START + page * PAGE;

/** Text of Linux' events of two devices: maps of some pages where nothing is mapped, their unmaps, and syncs. */
export function linuxRecording(seed: number): NaiveRecording {
  const random = new Random(seed);
  const lives: NaiveLife[] = [];
  const lines: string[] = [];
  const events = 60 + random.below(60);
  for (let event = 0; event < events; event++) {
    const space = `0000:00:0${1 + random.below(2)}.0`;
    const alive = lives.filter((life) => life.space === space && [...life.pages.values()][0] === undefined);
    const first = random.below(PAGES - 4);
    const count = 1 + random.below(4);
    const pages = Array.from({ length: count }, (_, i) => first + i);
    const isFree = !alive.some((life) => pages.some((page) => life.pages.has(page)));
    const say = (what: string): number =>
      lines.push(`  kworker/0:1-${7 + event} [00${event % 4}] ..... ${event}.000000: ${what}\n`);
    if (isFree && (alive.length === 0 || random.below(2) === 0)) {
      say(
        `dma_map_page: ${space} dir=TO_DEVICE dma_addr=${hex(at(first))} size=${count * PAGE} phys_addr=${hex(at(first) + 0x1000_0000)} attrs=`,
      );
      lives.push({ space, begin: event, pages: new Map(pages.map((page) => [page, undefined])), uses: [] });
      continue;
    }
    const life = alive[random.below(alive.length)];
    const [from, length] =
      life === undefined ? [first, 1] : [Math.min(...life.pages.keys()), life.pages.size];
    const where = `${space} dir=TO_DEVICE dma_addr=${hex(at(from))} size=${length * PAGE} attrs=`;
    if (random.below(2) === 0) {
      say(`dma_sync_single_for_device: ${where}`);
      life?.uses.push(event);
    } else {
      say(`dma_unmap_page: ${where}`);
      for (const page of life?.pages.keys() ?? []) life!.pages.set(page, event);
    }
  }
  return { text: lines.join(""), events, lives };
}

/** A QEMU log: pages that are mapped, replaced and unmapped one by one or as stretches, and translated. */
export function qemuRecording(seed: number): NaiveRecording {
  const random = new Random(seed);
  const lives: NaiveLife[] = [];
  const owners = new Map<number, NaiveLife>();
  const space = "0x80000000";
  const lines = [`spapr_iommu_new_table liobn=${space} table=0x1000 fd=-1\n`];
  const events = 60 + random.below(60);
  for (let event = 1; event < events; event++) {
    const first = random.below(PAGES - 8);
    const count = 1 + random.below(8);
    const pages = Array.from({ length: count }, (_, i) => first + i);
    if (random.below(4) === 0) {
      const life = owners.get(first);
      const [target, perm] = life === undefined ? ["0x0", 0] : ["0x5000", 3];
      lines.push(
        `spapr_iommu_xlate liobn=${space} 0x${hex(at(first))} -> ${target} perm=${perm} mask=0xfff\n`,
      );
      life?.uses.push(event);
      continue;
    }
    const maps = random.below(2) === 0;
    lines.push(
      `spapr_iommu_pci_stuff liobn=${space} ioba=0x${hex(at(first + count))} tcevalue=${maps ? "0x5003" : "0x0"} npages=${count} ret=0\n`,
    );
    for (const page of pages) {
      owners.get(page)?.pages.set(page, event);
      owners.delete(page);
    }
    if (!maps) continue;
    const life: NaiveLife = {
      space,
      begin: event,
      pages: new Map(pages.map((page) => [page, undefined])),
      uses: [],
    };
    lives.push(life);
    for (const page of pages) owners.set(page, life);
  }
  return { text: lines.join(""), events, lives };
}

/** Has a mapping a page after an event? */
export const has = ({ begin, pages }: NaiveLife, page: number, event: number): boolean =>
  begin <= event && pages.has(page) && (pages.get(page) ?? Number.POSITIVE_INFINITY) > event;
