import type { PageWalk } from "../../memory/page-walk.ts";
import type { ScriptStep, StageMessage, StageRequest } from "../stage-protocol.ts";
import { PlayedCase } from "./replay-case.ts";
import { replayStory } from "./replay-story.ts";
import { mistakeOf, readPadScript, runPadScript } from "./script-run.ts";

/** Milliseconds between two messages of a script that runs. */
const REPORT_MS = 100;

/** Runs scripts and the story of the replay. Runs in a worker of the page, and anywhere else. */
export class Stage {
  readonly #post: (message: StageMessage) => void;
  /** Milliseconds since some moment. */
  readonly #clock: () => number;
  #walk: (() => PageWalk) | undefined;
  #walking: PageWalk | undefined;

  constructor(post: (message: StageMessage) => void, clock: () => number) {
    this.#post = post;
    this.#clock = clock;
  }

  /** Takes a request; what comes of it, or why nothing does, goes to the page. */
  take(request: StageRequest): void {
    const { id } = request;
    try {
      if (request.ask === "run") this.#run(request);
      else if (request.ask === "story") {
        const { replay, accel } = request;
        this.#walk = () => new PlayedCase(replay, accel, false).walk();
        this.#walking = undefined;
        this.#post({ what: "story", id, story: replayStory(replay, accel) });
      } else this.#walkOn(id, request.steps);
    } catch (error) {
      this.#post({ what: "failed", id, message: mistakeOf(error).message });
    }
  }

  #run({ id, text, machine }: Extract<StageRequest, { ask: "run" }>): void {
    let steps: ScriptStep[] = [];
    let operations = 0;
    let told = this.#clock();
    const tell = (): void => {
      if (steps.length > 0) this.#post({ what: "steps", id, steps });
      steps = [];
      told = this.#clock();
    };
    try {
      const script = readPadScript(text);
      operations = script.lines.length;
      for (const step of runPadScript(script, machine, () => this.#clock() / 1000)) {
        steps.push(step);
        if (this.#clock() - told >= REPORT_MS) tell();
      }
      tell();
      this.#post({ what: "ran", id, operations, mistake: undefined });
    } catch (error) {
      tell();
      this.#post({ what: "ran", id, operations, mistake: mistakeOf(error) });
    }
  }

  #walkOn(id: number, steps: number): void {
    this.#walking ??= this.#walk?.();
    if (this.#walking === undefined) throw new Error("there is no window to walk yet");
    const before = this.#clock();
    const report = this.#walking.advance(steps);
    this.#post({ what: "walked", id, report, seconds: (this.#clock() - before) / 1000 });
  }
}
