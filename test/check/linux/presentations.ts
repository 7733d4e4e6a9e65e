import type { Random } from "../../helpers/random.ts";
import type { PlantedRecording } from "./fault-planter.ts";

/** A recording as a tool shows it. */
export interface Presented {
  readonly form: string;
  readonly text: string;
  /** Line of the recording of each line of the text, from 1; 0 of others. */
  readonly from: readonly number[];
  /** Does the text have less than what happened? Then what is found must have been planted, and not the other way. */
  readonly isPart: boolean;
  /** Places where the text says that events are lost. */
  readonly lost: number;
  /** Is the task's name there? */
  readonly hasTasks: boolean;
}

/** A line of the recording: `task [cpu] flags time: event`. */
const EVENT = /^( *)(\S+)-(\d+) \[(\d+)\] (\S+) (\d+\.\d+): (.*)$/;

type Form = (lines: readonly string[], random: Random) => Omit<Presented, "form">;

interface Line {
  readonly text: string;
  readonly from: number;
}

const whole = (lines: readonly Line[]): Omit<Presented, "form"> => ({
  text: `${lines.map(({ text }) => text).join("\n")}\n`,
  from: lines.map(({ from }) => from),
  isPart: false,
  lost: 0,
  hasTasks: true,
});

const numbered = (lines: readonly string[]): Line[] => lines.map((text, i) => ({ text, from: i + 1 }));

const asItIs: Form = (lines) => whole(numbered(lines));

/** `trace-cmd report` of a file with a second buffer, in which the same events are. */
const twoBuffers: Form = (lines) =>
  whole([
    { text: "cpus=2", from: 0 },
    ...numbered(lines).flatMap((line): Line[] =>
      EVENT.test(line.text)
        ? [
            { ...line, text: `        ${line.text}` },
            { text: `second: ${line.text}`, from: 0 },
          ]
        : [line],
    ),
  ]);

/** The function graph has events as comments, without a task. */
const functionGraph: Form = (lines) => ({
  ...whole([
    { text: "# tracer: function_graph", from: 0 },
    ...numbered(lines).flatMap(({ text, from }): Line[] => {
      const match = EVENT.exec(text);
      if (match === null) return [{ text, from }];
      const [, , , , cpu, , , event] = match;
      const number = Number(cpu);
      return [
        { text: ` ${number})   7.424 us    |  dma_map_page_attrs();`, from: 0 },
        { text: ` ${number})               |  /* ${event} */`, from },
      ];
    }),
  ]),
  hasTasks: false,
});

/** Events of the two CPUs have equal times, in stretches. */
const equalTimes: Form = (lines) =>
  whole(
    numbered(lines).map(({ text, from }) => ({
      text: text.replace(/(\d+\.\d\d)\d{4}(?=[\]:])/, "$10000"),
      from,
    })),
  );

/** `per_cpu/cpu0/trace` of a machine of two: its head counts the entries of both. */
const oneCpu: Form = (lines) => {
  const entries = lines.filter((line) => EVENT.test(line)).length;
  const head = ["# tracer: nop", `# entries-in-buffer/entries-written: ${entries}/${entries}   #P:2`];
  const kept = numbered(lines).filter(({ text }) => EVENT.exec(text)?.[4] !== "001");
  return { ...whole([...head.map((text) => ({ text, from: 0 })), ...kept]), isPart: true };
};

/** perf script with samples that are lost, and what says so. */
const lostSamples: Form = (lines, random) => {
  const kept: Line[] = [];
  let lost = 0;
  for (let i = 0; i < lines.length; i++) {
    const match = EVENT.exec(lines[i]!);
    if (match === null) {
      kept.push({ text: lines[i]!, from: i + 1 });
      continue;
    }
    const [, , task, pid, cpu, , time, event] = match;
    if (random.below(40) === 0) {
      const count = 1 + random.below(10);
      kept.push({ text: `${task} ${pid} [${cpu}] ${time}: PERF_RECORD_LOST lost ${count}`, from: 0 });
      lost++;
      i += count - 1;
      continue;
    }
    kept.push({
      text: `${task} ${pid} [${cpu}] ${time}: dma:${event}`.replace(/dma:(io_|swiotlb)/, "$1"),
      from: i + 1,
    });
  }
  return { ...whole(kept), isPart: lost > 0, lost };
};

const FORMS: Readonly<Record<string, Form>> = {
  asItIs,
  twoBuffers,
  functionGraph,
  equalTimes,
  oneCpu,
  lostSamples,
};

/** Shows a recording in the form of one of the tools. */
export function present({ text, log }: PlantedRecording, random: Random): Presented {
  // Without exact times the lines of a log of its own have no place.
  const hasExactTimes = (name: string): boolean => name !== "functionGraph" && name !== "equalTimes";
  // Call stacks have a form of their own in each of the others.
  const canHaveStacks = (name: string): boolean => name === "asItIs" || name === "equalTimes";
  const hasStacks = text.includes("<stack trace>");
  const names = Object.keys(FORMS).filter(
    (name) => (log === undefined || hasExactTimes(name)) && (!hasStacks || canHaveStacks(name)),
  );
  const form = random.pick(names);
  return { form, ...FORMS[form]!(text.trimEnd().split("\n"), random) };
}
