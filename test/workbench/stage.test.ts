import { describe, expect, it } from "vitest";
import { parseRecording } from "../../src/script/parse-recording.ts";
import {
  actAt,
  longestCall,
  secondsOfAct,
  stopsOf,
  stretchesOf,
} from "../../src/workbench/maths/stage-time.ts";
import { SCRIPT_LIMITS } from "../../src/workbench/stage/script-run.ts";
import { Stage } from "../../src/workbench/stage/stage.ts";
import type {
  Act,
  ReplayCase,
  ScriptMachine,
  ScriptStep,
  StageMessage,
  Story,
} from "../../src/workbench/stage-protocol.ts";
import { corpusNames, readCorpus } from "../helpers/corpus.ts";

const TCG: ScriptMachine = { accel: "tcg", device: false };

function ran(text: string, machine = TCG, tick = 0.001) {
  let now = 0;
  const messages: StageMessage[] = [];
  const stage = new Stage(
    (message) => messages.push(message),
    () => {
      now += tick;
      return now;
    },
  );
  stage.take({ ask: "run", id: 1, text, machine });
  const steps = messages.flatMap((message) => (message.what === "steps" ? message.steps : []));
  const end = messages.at(-1) as Extract<StageMessage, { what: "ran" }>;
  expect(end.what).toBe("ran");
  return { steps, ...end };
}

const script = (...operations: readonly object[]): string =>
  [{ header: 1, phbs: [{ index: 0 }] }, ...operations].map((line) => JSON.stringify(line)).join("\n");

const put = (ioba: string, tce: string, liobn = "0x80000000"): object => ({
  op: "h_put_tce",
  liobn,
  ioba,
  tce,
});
const CREATE = {
  op: "rtas",
  name: "ibm,create-pe-dma-window",
  args: [0, 0x0800_0000, 0x2000_0000, 16, 47],
  nret: 4,
};

describe("the script pad", () => {
  it("shows each answer, and what it changed of the tables", () => {
    const { steps, mistake, operations } = ran(
      script(CREATE, put("0x1000", "0x5003"), put("0x1000", "0x6001"), put("0x1000", "0x0")),
    );
    expect([mistake, operations]).toEqual([undefined, 4]);
    const changes = steps.map((step) =>
      step.changes.first.map(({ what, before, after }) => [what, before, after]),
    );
    expect(changes).toEqual([
      [["created", "", ""]],
      [["mapped", "-", "0x5000 rw"]],
      [["changed", "0x5000 rw", "0x6000 r-"]],
      [["unmapped", "0x6000 r-", "-"]],
    ]);
    expect(steps.map(({ line, op }) => [line, op])).toEqual([
      [2, "ibm,create-pe-dma-window"],
      [3, "h_put_tce"],
      [4, "h_put_tce"],
      [5, "h_put_tce"],
    ]);
    expect(steps[0]!.answer).toBe("status 0: 0x80000001, 0x8000000, 0x0");
  });

  it("explains what is refused by the rules of the library", () => {
    const { steps } = ran(script(put("0x40000000", "0x5003"), CREATE, CREATE, put("0x1000", "0x3", "0x5")));
    expect(steps.map(({ isRefused, answer, refusals }) => [isRefused, answer, refusals[0]?.id])).toEqual([
      [true, "H_PARAMETER (-4)", "PAPR-TCE-2"],
      [false, "status 0: 0x80000001, 0x8000000, 0x0", undefined],
      [true, "HW_ERROR (-1)", "PAPR-CREATE-2"],
      [true, "H_PARAMETER (-4)", "PAPR-TCE-1"],
    ]);
    expect(steps[0]!.refusals[0]!.rule).toMatch(/outside of the window/);
  });

  it.each([
    { accel: "tcg", told: 1, host: ["1 VFIO_IOMMU_MAP_DMA"], servedByKernel: false },
    { accel: "kvm", told: 0, host: [], servedByKernel: true },
  ] as const)("says what a device of the host gets to hear of: $accel", ({ accel, ...expected }) => {
    const { steps } = ran(script(CREATE, put("0x800000000010000", "0x1000003", "0x80000001")), {
      accel,
      device: true,
    });
    expect(steps[0]!.host).toEqual(["1 VFIO_IOMMU_SPAPR_TCE_CREATE"]);
    const { told, host, servedByKernel, changes } = steps[1]!;
    expect({ told: told.all, host, servedByKernel }).toEqual(expected);
    expect(changes.all).toBe(1);
    if (told.all > 0)
      expect(told.first[0]).toEqual({
        liobn: "0x80000001",
        ioba: 0x800_0000_0001_0000n,
        pages: 1,
        perm: "rw",
        target: 0x100_0000n,
      });
  });

  it.each([TCG, { accel: "tcg", device: true }] as const)(
    "gives the results of exec: $accel, device $device",
    (on) => {
      const files = corpusNames("hcall", ".jsonl.gz").filter((file) =>
        /^(?:hcall-basic|hcall-indirect|ddw-create|ddw-reset|dma)$/.test(file),
      );
      expect(files.length).toBe(5);
      for (const file of files) {
        const text = new TextDecoder()
          .decode(readCorpus("hcall", `${file}.jsonl`))
          .split("\n")
          .slice(0, 120)
          .join("\n");
        const results = [...parseRecording(text, file).run()].map(({ result }) => JSON.stringify(result));
        const { steps, mistake } = ran(text, on);
        expect(mistake).toBeUndefined();
        expect(steps).toHaveLength(results.length);
        const wrong = steps.filter(({ result }, i) => !result.includes("…") && result !== results[i]);
        expect(wrong).toEqual([]);
      }
    },
  );

  it("says what vfio-user devices are sent, and why DMA fails", () => {
    const header = { header: 1, phbs: [{ index: 0 }], vfioUser: {} };
    const dma = (op: string, iova: string, rest: object): object => ({ op, dev: "a", iova, ...rest });
    const { steps } = ran(
      [
        header,
        { op: "device_add", id: "a" },
        put("0x1000", "0x5001"),
        dma("vfio_dma_read", "0x1000", { len: 4 }),
        dma("vfio_dma_write", "0x1000", { data: "00" }),
        put("0x1000", "0x0"),
      ]
        .map((line) => JSON.stringify(line))
        .join("\n"),
    );
    expect(steps.map(({ messages, isRefused }) => [messages.first, isRefused])).toEqual([
      [[], false],
      [["a: DMA_MAP 0x1000, 4 KiB at 0x5000 r-"], false],
      [[], false],
      [[], true],
      [["a: DMA_UNMAP 0x1000, 4 KiB"], false],
    ]);
    expect(steps[3]!.answer).toMatch(/^errno /);
    const { steps: faulty } = ran(script({ op: "dma_read", phb: 0, iova: "0x7000", len: 4 }));
    expect([faulty[0]!.isRefused, faulty[0]!.faults.join()]).toEqual([
      true,
      expect.stringMatching(/read of 4 bytes at 0x0000000000007000: unmapped/),
    ]);
  });

  it("names line and column of a mistake, and runs nothing then", () => {
    const { steps, mistake } = ran(`${script(put("0x1000", "0x5003"))}\n{"op":"h_put_tee"}`);
    expect(steps).toEqual([]);
    expect(mistake).toMatchObject({ line: 3, column: 7 });
    expect(mistake!.message).toMatch(/^unknown operation "h_put_tee"/);
    expect(ran("").mistake!.message).toMatch(/empty/);
    expect(ran('{"header":{"kernel":"6.12"}}').mistake!.message).toMatch(/host's kernel/);
  });

  it("has bounds: characters, operations, time; what was done by then is told", () => {
    const { characters, operations, seconds } = SCRIPT_LIMITS;
    expect(ran(" ".repeat(characters + 1)).mistake!.message).toMatch(/characters/);
    const note = { op: "note", text: "x" };
    const many = ran(script(...Array.from({ length: operations + 1 }, () => note)));
    expect(many.steps).toHaveLength(operations);
    expect(many.mistake).toMatchObject({ line: operations + 2 });
    const slow = ran(script(...Array.from({ length: 100 }, () => note)), TCG, 100 * seconds);
    expect(slow.steps.length).toBeLessThan(100);
    expect(slow.steps.length).toBeGreaterThan(0);
    expect(slow.mistake!.message).toMatch(/took more than/);
  });

  it("cuts what is long, and counts what it leaves out", () => {
    const list = Array.from({ length: 512 }, (_, i) => `0x${(i * 0x2000 + 3).toString(16)}`);
    const { steps } = ran(
      script(
        { op: "h_put_tce_indirect", liobn: "0x80000000", ioba: "0x0", list },
        { op: "read_mem", addr: "0x0", len: 2 ** 20 },
      ),
    );
    const [lists, read] = steps as [ScriptStep, ScriptStep];
    expect([lists.changes.first.length, lists.changes.all]).toEqual([16, 512]);
    expect(read.result.length).toBeLessThan(500);
    expect(read.answer).toMatch(/^1,048,576 bytes/);
  });
});

function storyOf(
  replay: ReplayCase,
  accel: "tcg" | "kvm",
): { story: Story; stage: Stage; messages: StageMessage[] } {
  const messages: StageMessage[] = [];
  const stage = new Stage(
    (message) => messages.push(message),
    () => messages.length,
  );
  stage.take({ ask: "story", id: 1, replay, accel });
  const [message] = messages;
  if (message?.what !== "story") throw new Error(`no story: ${JSON.stringify(message)}`);
  return { story: message.story, stage, messages };
}

const WAYS = ["Page walk", "Skip flag", "Counted walk", "Wait for the first put"];

describe("the replay theatre", () => {
  it.each(["tcg", "kvm"] as const)(
    "case 2, a new window under %s: only a walk looks at all TCEs",
    (accel) => {
      const { story } = storyOf("new-window", accel);
      expect(story.entries).toBe(2 ** 31);
      expect(story.acts.map(({ name }) => name)).toEqual(WAYS);
      const [walk, flag, counted, wait] = story.acts as [Act, Act, Act, Act];
      expect([walk, flag, counted].map(({ looked }) => looked)).toEqual([2 ** 31, 0, 0]);
      expect(longestCall(walk)).toBeGreaterThan(longestCall(flag) + 40);
      expect(longestCall(counted)).toBeLessThan(0.001);
      // The page that is mapped later is reached in all of them.
      for (const { reachedAfterPut, mappings } of story.acts)
        expect([reachedAfterPut, mappings]).toEqual([1, 1]);
      // Under KVM nobody in QEMU hears of the put; under TCG it walks.
      expect([wait.calls.length, wait.looked]).toEqual(accel === "kvm" ? [1, 0] : [2, 2 ** 31]);
      expect(actAt(walk, longestCall(walk) - 1)).toMatchObject({ rcuStall: true, softLockup: true });
      expect(actAt(counted, 100)).toMatchObject({ rcuStall: false, softLockup: false, stalled: 0 });
    },
  );

  it.each(["tcg", "kvm"] as const)(
    "case 1, a plug under %s: the flag does not help, and waiting may fail",
    (accel) => {
      const { story } = storyOf("hotplug", accel);
      const [walk, flag, counted, wait] = story.acts as [Act, Act, Act, Act];
      expect(flag.calls).toEqual(walk.calls);
      expect([walk.looked, counted.looked, counted.lookedAt]).toEqual([2 ** 31, 16, "runs"]);
      expect([walk.notifications, counted.notifications, walk.found.length]).toEqual([16, 16, 16]);
      for (const act of [walk, flag, counted]) expect([act.reached, act.reachedAfterPut]).toEqual([16, 17]);
      expect([wait.reached, wait.reachedAfterPut]).toEqual([0, accel === "kvm" ? 1 : 17]);
    },
  );

  it("counts a walk as it goes: each mapped page is told when the walk is there", () => {
    const [walk] = storyOf("hotplug", "tcg").story.acts;
    const stretch = stretchesOf(walk!).find(({ cost }) => cost === "tceWalked")!;
    const length = stretch.to - stretch.from;
    const at = (part: number) => actAt(walk!, stretch.from + length * part);
    expect(at(0)).toMatchObject({ looked: 0, notifications: 0 });
    const half = at(0.5 + 1e-7);
    expect(half.looked).toBeGreaterThan(2 ** 30);
    expect(half.looked).toBeLessThan(2 ** 30 + 1000);
    expect(half.notifications).toBe(9);
    expect(actAt(walk!, 0)).toMatchObject({ looked: 0, notifications: 0, stalled: 0 });
    expect(actAt(walk!, secondsOfAct(walk!) + 1)).toMatchObject({
      now: undefined,
      looked: 2 ** 31,
      notifications: 16,
      rcuStall: true,
    });
  });

  it("stops where something begins, ends or is reported", () => {
    const { story } = storyOf("new-window", "tcg");
    const stops = stopsOf(story, [20, 21]);
    expect(stops[0]).toBe(0);
    expect(stops).toContain(20);
    expect(stops).toContain(21);
    expect(stops.at(-1)).toBe(Math.max(...story.acts.map(secondsOfAct)));
    for (const [i, stop] of stops.entries()) if (i > 0) expect(stop).toBeGreaterThan(stops[i - 1]!);
  });

  it("walks the window for real, piece by piece, and finds what the story counts", () => {
    const { story, stage, messages } = storyOf("hotplug", "tcg");
    const pages = 2 ** 20;
    stage.take({ ask: "walk", id: 2, steps: 1 });
    stage.take({ ask: "walk", id: 3, steps: pages - 1 });
    const reports = messages.flatMap((message) => (message.what === "walked" ? [message.report] : []));
    expect(reports.map(({ steps }) => steps)).toEqual([1, pages]);
    const found = story.acts[0]!.found.filter((page) => page < pages).length;
    expect(reports[1]).toMatchObject({ notifications: found, complete: false });
    expect(found).toBe(1);
  });

  it("says where every cost is from", () => {
    for (const replay of ["new-window", "hotplug"] as const)
      for (const accel of ["tcg", "kvm"] as const) {
        const { story } = storyOf(replay, accel);
        const costs = new Set(
          story.acts.flatMap(({ calls }) => calls.flatMap(({ phases }) => phases.map((one) => one.cost))),
        );
        for (const cost of costs) expect(story.notes.some((note) => note.startsWith(`${cost}:`))).toBe(true);
      }
  });

  it("says why it cannot walk", () => {
    const messages: StageMessage[] = [];
    new Stage(
      (message) => messages.push(message),
      () => 0,
    ).take({ ask: "walk", id: 7, steps: 1 });
    expect(messages).toEqual([{ what: "failed", id: 7, message: expect.stringMatching(/no window/) }]);
  });
});
