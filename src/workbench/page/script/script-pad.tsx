import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { SAMPLE_SCRIPTS, textOfSample } from "../../sample-scripts.ts";
import type { ScriptMistake } from "../../stage-protocol.ts";
import { copyLink } from "../actions.ts";
import { Region } from "../parts.tsx";
import { enter } from "../rooms.ts";
import { bench } from "../state.ts";
import { countText, shown } from "../words.ts";
import { pad } from "./pad.ts";
import { Steps } from "./script-steps.tsx";

const NAME = "script.jsonl";

/** Puts the cursor on a line of the script. */
function selectLine(line: number, column?: number): void {
  const area = document.getElementById("script-text");
  if (!(area instanceof HTMLTextAreaElement)) return;
  const lines = area.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const end = start + (lines[line - 1]?.length ?? 0);
  area.focus();
  if (column === undefined) area.setSelectionRange(start, end);
  else area.setSelectionRange(Math.min(end, start + column - 1), Math.min(end, start + column));
  const height = Number.parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max(0, (line - 4) * height);
}

/** Runs the script from wherever the keyboard is. */
function onKey(event: KeyboardEvent): void {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  pad.start();
}

/** An op script: written here, run here, each answer explained. */
export function ScriptPad(): ComponentChildren {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const run = pad.run.value;
  const isOld = run !== undefined && (run.text !== pad.text.value || run.machine !== pad.machine.value);
  return (
    <Region name="Script" class="script" tools={<Tools />}>
      <div class="pad">
        <div class="written">
          <Editor />
          <MachineChoice />
          <div class="run-row">
            <button type="button" class="main" aria-keyshortcuts="Control+Enter" onClick={() => pad.start()}>
              Run <kbd>Ctrl Enter</kbd>
            </button>
            {run?.isRunning === true && (
              <button type="button" onClick={() => pad.stop()}>
                stop
              </button>
            )}
            <button type="button" onClick={openAsRecording}>
              open as a recording
            </button>
            <button type="button" onClick={save}>
              save
            </button>
            <button type="button" onClick={() => void copyLink(bench)}>
              copy link
            </button>
          </div>
          {pad.note.value !== "" && <p class="dim">{shown(pad.note.value)}</p>}
        </div>
        <div class="answers" aria-busy={run?.isRunning === true}>
          {run === undefined ? (
            <p class="empty">
              The first line describes a machine, each other line is an operation. Run it, and every answer
              stands here, with the rule that refused it, and what it changed of the tables.
            </p>
          ) : (
            <>
              <p class="verdict" role="status">
                {verdictOf(run.steps.length, run.operations, run.isRunning)}
                {isOld && " The script was changed since then."}
              </p>
              {run.mistake !== undefined && <Mistake mistake={run.mistake} />}
              <Steps steps={run.steps} onLine={selectLine} />
            </>
          )}
        </div>
      </div>
    </Region>
  );
}

function verdictOf(done: number, all: number, isRunning: boolean): string {
  if (isRunning) return `Running: ${countText(done)} operations so far.`;
  return `${countText(done)} of ${countText(Math.max(done, all))} operations ran.`;
}

function Mistake({
  mistake: { message, line, column },
}: {
  readonly mistake: ScriptMistake;
}): ComponentChildren {
  return (
    <p class="error" role="alert">
      {line !== undefined && (
        <button type="button" class="link" onClick={() => selectLine(line, column)}>
          line {countText(line)}
          {column !== undefined && `, column ${countText(column)}`}
        </button>
      )}{" "}
      {shown(message)}
    </p>
  );
}

/** The text, with the numbers of its lines, and which of them were refused. */
function Editor(): ComponentChildren {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLPreElement>(null);
  const text = pad.text.value;
  const run = pad.run.value;
  const marks = new Map(run?.text === text ? run.steps.map(({ line, isRefused }) => [line, isRefused]) : []);
  const mistake = run?.text === text ? run.mistake?.line : undefined;
  const scroll = (): void => {
    if (gutter.current !== null && area.current !== null) gutter.current.scrollTop = area.current.scrollTop;
  };
  useEffect(scroll);
  const numbers = text.split("\n").map((_, i) => {
    const line = i + 1;
    const isRefused = marks.get(line);
    const sign = line === mistake ? "!" : isRefused === undefined ? " " : isRefused ? "×" : "·";
    return `${line} ${sign}`;
  });
  return (
    <div class="editor">
      <pre class="gutter" ref={gutter} aria-hidden="true">
        {numbers.join("\n")}
      </pre>
      <textarea
        id="script-text"
        ref={area}
        aria-label="Op script"
        wrap="off"
        spellcheck={false}
        autocomplete="off"
        value={text}
        onScroll={scroll}
        onDrop={(event) => {
          if ((event.dataTransfer?.files.length ?? 0) === 0) return;
          event.preventDefault();
          load(event.dataTransfer?.files);
        }}
        onInput={({ currentTarget }) => {
          pad.text.value = currentTarget.value;
        }}
      />
    </div>
  );
}

function MachineChoice(): ComponentChildren {
  const { accel, device } = pad.machine.value;
  return (
    <fieldset class="machine">
      <legend>runs on</legend>
      {(["tcg", "kvm"] as const).map((name) => (
        <label key={name}>
          <input
            type="radio"
            name="accel"
            checked={accel === name}
            onChange={() => {
              pad.machine.value = { accel: name, device };
            }}
          />{" "}
          {name.toUpperCase()}
        </label>
      ))}
      <label>
        <input
          type="checkbox"
          checked={device}
          onChange={({ currentTarget }) => {
            pad.machine.value = { accel, device: currentTarget.checked };
          }}
        />{" "}
        a device of the host is plugged in (VFIO)
      </label>
    </fieldset>
  );
}

/** Takes a script from a file. */
function load(files: FileList | null | undefined): void {
  const [file] = files ?? [];
  if (file === undefined) return;
  void file.text().then((text) => {
    pad.text.value = text;
    pad.run.value = undefined;
  });
}

/** Scripts from elsewhere. */
function Tools(): ComponentChildren {
  return (
    <span class="legend">
      <select
        aria-label="a script to begin with"
        value=""
        onChange={({ currentTarget }) => {
          const sample = SAMPLE_SCRIPTS[Number(currentTarget.value)];
          currentTarget.value = "";
          if (sample === undefined) return;
          pad.text.value = textOfSample(sample);
          pad.start();
        }}
      >
        <option value="">a script to begin with…</option>
        {SAMPLE_SCRIPTS.map(({ title }, i) => (
          <option key={title} value={i}>
            {title}
          </option>
        ))}
      </select>
      <label class="choose" for="script-file">
        <span>Load a script</span>
        <input
          id="script-file"
          type="file"
          onChange={({ currentTarget }) => {
            load(currentTarget.files);
            currentTarget.value = "";
          }}
        />
      </label>
    </span>
  );
}

/** All other views show the script, one moment for each operation. */
function openAsRecording(): void {
  bench.open([{ name: NAME, data: new Blob([pad.text.value]) }]);
  enter("recordings");
}

function save(): void {
  const url = URL.createObjectURL(new Blob([pad.text.value], { type: "application/jsonl" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = NAME;
  link.click();
  URL.revokeObjectURL(url);
}
