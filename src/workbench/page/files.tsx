import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { counted } from "../../base/units.ts";
import { EXAMPLES } from "../examples.ts";
import { isOver } from "./drop.ts";
import { Region } from "./parts.tsx";
import { addressOf } from "./rooms.ts";
import { liveSession } from "./served.ts";
import { bench } from "./state.ts";
import { shown } from "./words.ts";

/** What `check` reads and a page cannot: what unpacks these are programs of the system. */
const NOT_HERE = "Packed by xz, bzip2 or lzop: unpack it first (xz -d FILE), or spapr-iommu check FILE";

const openAll = (files: Iterable<File>): void =>
  bench.open([...files].map((file) => ({ name: file.name, data: file })));

function Choose({ id }: { readonly id: string }): ComponentChildren {
  return (
    <label class="choose" for={id}>
      <span>Open files</span>
      <input
        id={id}
        type="file"
        multiple
        onChange={({ currentTarget }) => {
          openAll(currentTarget.files ?? []);
          currentTarget.value = "";
        }}
      />
    </label>
  );
}

/** What is shown before any file is open. */
export function FirstScreen(): ComponentChildren {
  const failure = useSignal("");
  return (
    <Region name="Files" class="files first-files">
      <section aria-label="Drop files" class={isOver.value ? "drop over" : "drop"}>
        <p class="lead">Drop traces, saved machines or op scripts anywhere on this page.</p>
        <Choose id="choose-first" />
        <p class="dim">
          It is read in this page; nothing is sent anywhere. QEMU logs and simple traces of{" "}
          <code>spapr_iommu_*</code>, Linux <code>dma:*</code> text, trace.dat, perf.data, migration streams,
          libvirt images, dma-api dumps and op scripts, also packed by gzip or zstd.
        </p>
        <p class="dim">{NOT_HERE}.</p>
      </section>
      <h3>Or look at a recording of a real system</h3>
      <ul class="examples">
        {EXAMPLES.map((example) => (
          <li key={example.file}>
            <button
              type="button"
              onClick={() => {
                bench.openExample(example).catch((error: Error) => {
                  failure.value = error.message;
                });
              }}
            >
              <strong>{example.title}</strong>
              <span>{example.shows}</span>
            </button>
          </li>
        ))}
      </ul>
      {failure.value !== "" && <p role="alert">{failure.value}</p>}
      <h3>Or try it without a recording</h3>
      <ul class="examples">
        <li>
          <a href={addressOf("script")}>
            <strong>Script</strong>
            <span>Write hypercalls, run them on the engine, see every answer explained</span>
          </a>
        </li>
        <li>
          <a href={addressOf("replay")}>
            <strong>Replay</strong>
            <span>A window of 128 TiB, and four ways to bring its mappings to a device</span>
          </a>
        </li>
        <li>
          <a href={addressOf("tours")}>
            <strong>Tours</strong>
            <span>Build a TCE; why the replay took minutes; find this leak</span>
          </a>
        </li>
      </ul>
    </Region>
  );
}

/** The files that are open. */
export function Files(): ComponentChildren {
  const { value: files } = bench.files;
  return (
    <Region name="Files" class="files" tools={<Choose id="choose-more" />}>
      <ul class="open-files">
        {liveSession.value !== undefined && (
          <li>
            <button
              type="button"
              class="file"
              aria-pressed={bench.file.value === undefined}
              onClick={() => bench.show(-1)}
            >
              <strong>QEMU, live</strong>
            </button>
          </li>
        )}
        {files.map(({ number, name, summary, error, isDone }) => (
          <li key={number}>
            <button
              type="button"
              class="file"
              aria-pressed={number === bench.active.value}
              onClick={() => bench.show(number)}
            >
              <strong>{shown(name)}</strong>
              <span class="dim">
                {error !== undefined
                  ? "cannot be read"
                  : summary === undefined
                    ? "reading"
                    : `${counted(summary.events, "event")}${isDone ? "" : ", reading"}`}
              </span>
            </button>
            <button
              type="button"
              class="close"
              aria-label={`close ${name}`}
              onClick={() => bench.close(number)}
            >
              ×
            </button>
            {error !== undefined && (
              <p class="error" role="alert">
                {shown(error)}
              </p>
            )}
          </li>
        ))}
      </ul>
    </Region>
  );
}
