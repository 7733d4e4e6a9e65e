import type { ScriptStep } from "../../stage-protocol.ts";
import { theatre } from "../replay/theatre-state.ts";
import { enter, room } from "../rooms.ts";
import { pad } from "../script/pad.ts";
import { bench } from "../state.ts";
import type { Tour } from "./tour.ts";

const LEAKS = "planted.txt.gz";

const HEADER = '{"header":1,"phbs":[{"index":0}]}';
const putLine = (ioba: string, tce: string): string =>
  `{"op":"h_put_tce","liobn":"0x80000000","ioba":"${ioba}","tce":"${tce}"}`;
const READ = '{"op":"dma_read","phb":0,"iova":"0x1000","len":16}';

/** Steps of the script as it is written now, if it ran to its end. */
function steps(): readonly ScriptStep[] {
  const run = pad.run.value;
  if (run === undefined || run.isRunning || run.text !== pad.text.value) return [];
  return run.steps;
}

const changesTo = (after: RegExp) => (): boolean =>
  steps().some(({ changes }) => changes.first.some((change) => after.test(change.after)));

/** Writes a script and runs it. */
const write =
  (...lines: readonly string[]) =>
  (): void => {
    pad.text.value = `${[HEADER, ...lines].join("\n")}\n`;
    pad.start();
  };

const buildATce: Tour = {
  name: "tce",
  title: "Build a TCE",
  about: "From an entry that is zero to a page that a device reads and writes, one bit after the other.",
  begin: () => {
    pad.text.value = `${HEADER}\n${putLine("0x1000", "0x0")}\n`;
    pad.machine.value = { accel: "tcg", device: false };
    pad.run.value = undefined;
    enter("script");
  },
  steps: [
    {
      say: "A DMA window is a table of TCEs, one for each page of bus addresses. The script stores a TCE of 0 for bus address 0x1000. Run it: Ctrl+Enter.",
      at: "#script-text",
      isDone: () => steps().some(({ op, isRefused }) => op === "h_put_tce" && !isRefused),
      help: () => pad.start(),
    },
    {
      say: 'The call succeeds, and nothing is mapped: 0 says so. Write which page of the guest\'s memory it is: make the "tce" 0x1000000, the page at 16 MiB, and run it again.',
      at: "#script-text",
      isDone: () =>
        steps().length > 0 && /"tce"\s*:\s*"0x[0-9a-f]*[1-9a-f][0-9a-f]*[048c]"/i.test(pad.text.value),
      help: write(putLine("0x1000", "0x1000000")),
    },
    {
      say: "Still no device gets there: the two lowest bits of a TCE are what a device may do. 1 lets it read. Make the tce 0x1000001, and run.",
      at: "#script-text",
      isDone: changesTo(/ r-$/),
      help: write(putLine("0x1000", "0x1000001")),
    },
    {
      say: "The answer's table change says r-. 2 lets a device write; both are 3. Make the tce 0x1000003, and run.",
      at: "#script-text",
      isDone: changesTo(/ rw$/),
      help: write(putLine("0x1000", "0x1000003")),
    },
    {
      say: `Use it: add a line in which a device reads 16 bytes at bus address 0x1000, ${READ}, and run.`,
      at: "#script-text",
      isDone: () => steps().some(({ op, isRefused }) => op === "dma_read" && !isRefused),
      help: write(putLine("0x1000", "0x1000003"), READ),
    },
    {
      say: "The default window has 1 GiB. Ask for the first address behind it: make an ioba 0x40000000, and run. The refusal names its rule.",
      at: "#script-text",
      isDone: () => steps().some(({ refusals }) => refusals.some(({ id }) => id === "PAPR-TCE-2")),
      help: write(putLine("0x1000", "0x1000003"), putLine("0x40000000", "0x1000003")),
    },
    {
      say: "Look at it as at any recording, one moment for each operation: open it as a recording.",
      at: ".run-row",
      isDone: () => room.value === "recordings" && bench.file.value?.isDone === true,
      help: () => {
        bench.open([{ name: "script.jsonl", data: new Blob([pad.text.value]) }]);
        enter("recordings");
      },
    },
  ],
  end: "A TCE is a page of memory and two bits. Everything else, hypercalls, windows, notifiers, is about who may write it and who hears of it.",
};

const replayTook = (): boolean => theatre.story.value?.replay === theatre.replay.value;
const isAtEnd = (): boolean => theatre.length.value > 0 && theatre.second.value >= theatre.length.value;

const whyMinutes: Tour = {
  name: "replay",
  title: "Why the replay took minutes",
  about: "A window of 128 TiB, empty, and a guest that stands still: what QEMU did, and four ways to do it.",
  begin: () => {
    theatre.replay.value = "new-window";
    theatre.accel.value = "tcg";
    theatre.go(0);
    enter("replay");
  },
  steps: [
    {
      say: "The guest asks for a window of 128 TiB while a device of the host is attached. Play it: the space key.",
      at: ".play",
      isDone: () => theatre.second.value > 0,
      help: () => theatre.play(),
    },
    {
      say: "QEMU copies the table, then translates page after page to see what is mapped, and holds its big lock all the while. Let it play, or step on with the right arrow, until Linux would report an RCU stall.",
      at: ".acts",
      isDone: () => theatre.second.value >= 21,
      help: () => theatre.go(21),
    },
    {
      say: "Go to the end (the End key), and compare how many TCEs each way looked at, and how many of them were mapped.",
      at: ".acts",
      isDone: isAtEnd,
      help: () => theatre.go(theatre.length.value),
    },
    {
      say: 'All of that walk found nothing: the window was just made, which is what the flag says. Choose "a device is plugged": now the window is there and in use.',
      at: ".toggle",
      isDone: () => theatre.replay.value === "hotplug" && replayTook(),
      help: () => {
        theatre.replay.value = "hotplug";
      },
    },
    {
      say: "Here something must be replayed, so that the flag does not help; counts go straight to the 16 pages that are mapped. Choose KVM, and go to the end: what does waiting for the first put come to?",
      at: ".toggle:nth-of-type(2)",
      isDone: () => theatre.accel.value === "kvm" && theatre.story.value?.accel === "kvm" && isAtEnd(),
      help: () => {
        theatre.accel.value = "kvm";
        const stop = theatre.story.subscribe((story) => {
          if (story?.accel !== "kvm") return;
          theatre.go(theatre.length.value);
          queueMicrotask(() => stop());
        });
      },
    },
    {
      say: "The kernel serves the call, QEMU never hears of it, and the device faults for ever. Last, see the walk itself: have this page do some of it, for real.",
      at: ".real-walk button",
      isDone: () => (theatre.walk.value?.report.steps ?? 0) > 0,
      help: () => theatre.walkOn(1),
    },
  ],
  end: "The cost was the size of the window, not what is mapped in it. The flag avoids it where the window is known to be empty; counting what a table holds avoids it everywhere.",
};

/** What the time was when the step began. */
let timeBefore: unknown;

const findThisLeak: Tour = {
  name: "leak",
  title: "Find this leak",
  about:
    "A driver that forgets an unmap, in a recording of a real system: from the finding to the line that did it.",
  begin: () => {
    enter("recordings");
    const there = bench.files.value.find(({ example }) => example === LEAKS);
    if (there !== undefined) bench.show(there.number);
    else bench.openExample({ file: LEAKS }).catch((error: Error) => bench.say(error.message));
  },
  steps: [
    {
      say: "A recording of Linux on POWER is read: a test driver makes mistakes one by one. Findings come while it is read.",
      at: '[data-region="Findings"]',
      isDone: () => bench.file.value?.example === LEAKS && bench.file.value.isDone,
    },
    {
      say: "Go from finding to finding with n and p until one is a leak: a mapping that is alive at the end, and should not be. (p goes to the last one at once.)",
      at: '[data-region="Findings"] .list',
      isDone: () => chosenKind() === "leak",
      help: () => {
        const leak = bench.file.value?.findings.find(({ kind }) => kind === "leak");
        if (leak !== undefined) void bench.choose(leak);
      },
    },
    {
      say: "The playhead is at the event that made the mapping, and its line stands below, with the task that called. Mark this moment: m.",
      at: ".lines",
      isDone: () => {
        timeBefore = bench.timeView.peek();
        return bench.mark.value >= 0;
      },
      help: () => {
        bench.mark.value = bench.playhead.value;
      },
    },
    {
      say: "Look at it closely: f shows the stretch of time and the addresses that the finding is about.",
      at: '[data-region="Time"]',
      isDone: () => bench.timeView.value !== timeBefore,
      help: () => dispatchEvent(new KeyboardEvent("keydown", { key: "f" })),
    },
    {
      say: "In Lifetimes each mapping is a line. What ends is light; a leak is dark and reaches the edge. Open its table: what never ends says so.",
      at: '[data-region="Lifetimes"] summary',
      isDone: () => document.querySelector('[data-region="Lifetimes"] details[open]') !== null,
      help: () => document.querySelector('[data-region="Lifetimes"] details')?.setAttribute("open", ""),
    },
    {
      say: 'Colour the addresses by "what changed": what came after the mark and is still there has its own colour.',
      at: '[data-region="Address"] select',
      isDone: () => bench.colour.value === "change",
      help: () => {
        bench.colour.value = "change";
      },
    },
  ],
  end: "A leak is a line of a file: who opens the address of this page sees the same finding, the same moment and the same place. Copy the link, and send it to whoever wrote the driver.",
};

const chosenKind = (): string | undefined =>
  bench.file.value?.findings.find(({ number }) => number === bench.finding.value)?.kind;

export const TOURS: readonly Tour[] = [buildATce, whyMinutes, findThisLeak];
