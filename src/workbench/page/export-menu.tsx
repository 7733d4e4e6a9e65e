import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { download } from "./actions.ts";
import { openInPerfetto } from "./perfetto.ts";
import { type PictureName, pictureFile } from "./pictures.ts";
import { bench } from "./state.ts";

const PICTURES: readonly PictureName[] = ["Time", "Lifetimes", "Address"];

/** Formats that have a timeline. */
const TRACES: readonly string[] = ["qemu-log", "qemu-simple", "linux-dma"];

/** Everything that can be taken out of the page: pictures, the selection, findings, a timeline. */
export function ExportMenu(): ComponentChildren {
  const menu = useRef<HTMLDetailsElement>(null);
  const { name = "", summary } = bench.file.value ?? {};
  const file = bench.active.value;
  const stem = name.replace(/\.(?:gz|zst|log|txt|simple|dat|data|jsonl|mig)\b/g, "") || "trace";
  const hasSpace = bench.space.value !== undefined;
  const act = (does: () => Promise<void>) => () => {
    if (menu.current !== null) menu.current.open = false;
    does().catch((error: Error) => bench.say(error.message));
  };
  const picture = (of: PictureName, form: "png" | "svg") =>
    act(async () => {
      const data = await pictureFile(of, form);
      if (data === undefined) throw new Error(`there is no picture ${of} now`);
      download(`${stem}-${of.toLowerCase()}.${form}`, data);
    });
  const text = (call: "csv" | "script", ending: string, type: string) =>
    act(async () => {
      const space = bench.space.value!;
      const { first = 0, end = space.pages } = bench.selection.value ?? {};
      const ask = { event: bench.playhead.value, space: space.number, first, end };
      download(
        `${stem}-${ask.event}.${ending}`,
        new Blob([await bench.client.ask(call, file, ask)], { type }),
      );
    });
  return (
    <details
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !event.currentTarget.open) return;
        event.stopPropagation();
        event.currentTarget.open = false;
        event.currentTarget.querySelector("summary")?.focus();
      }}
    >
      <summary>export</summary>
      <ul>
        {PICTURES.map((of) => (
          <li key={of}>
            <span>{of}</span>
            <button type="button" aria-label={`${of} as PNG`} onClick={picture(of, "png")}>
              PNG
            </button>
            <button type="button" aria-label={`${of} as SVG`} onClick={picture(of, "svg")}>
              SVG
            </button>
          </li>
        ))}
        {hasSpace && (
          <li>
            <span>{bench.selection.value === undefined ? "What is mapped" : "Selection"}</span>
            <button type="button" aria-label="selection as CSV" onClick={text("csv", "csv", "text/csv")}>
              CSV
            </button>
            {bench.space.value?.kind === "window" && (
              <button
                type="button"
                aria-label="selection as op script"
                onClick={text("script", "jsonl", "application/jsonl")}
              >
                op script
              </button>
            )}
          </li>
        )}
        <li>
          <span>Findings</span>
          <button
            type="button"
            aria-label="findings as JSON"
            onClick={act(async () => {
              const report = await bench.client.ask("report", file, {});
              download(`${stem}-findings.json`, new Blob([report], { type: "application/json" }));
            })}
          >
            JSON
          </button>
        </li>
        {TRACES.includes(summary?.format ?? "") && (
          <li>
            <button
              type="button"
              onClick={act(() =>
                openInPerfetto(name, async () => (await bench.client.ask("timeline", file, {})).bytes),
              )}
            >
              Open in Perfetto
            </button>
            <span class="dim">ui.perfetto.dev in a new window; nothing is uploaded</span>
          </li>
        )}
      </ul>
    </details>
  );
}
