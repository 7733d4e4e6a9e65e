import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { blobFile } from "../../src/formats/input/input-data.ts";
import { Reading } from "../../src/workbench/desk/open-recording.ts";
import { Bars, INKS, inkOf } from "../../src/workbench/draw/renderer.ts";
import { html } from "../../src/workbench/report/html.ts";
import { reportOf } from "../../src/workbench/report/report.ts";
import { styleOf } from "../../src/workbench/report/style.ts";
import { svgOf } from "../../src/workbench/report/svg.ts";
import { readCorpus } from "../helpers/corpus.ts";

const STYLE = readFileSync(path.resolve(import.meta.dirname, "../../src/workbench/page/style.css"), "utf8");

async function readingOf(text: string | Uint8Array<ArrayBuffer>, name: string): Promise<Reading> {
  const reading = new Reading(blobFile(new Blob([text])), name, () => 0);
  await reading.read({ read: () => {} });
  return reading;
}

async function pageOf(...readings: readonly Reading[]): Promise<string> {
  const pieces: string[] = [];
  const text = styleOf(STYLE);
  const style = { text, sha256: createHash("sha256").update(text).digest("base64") };
  for await (const piece of reportOf(readings, style)) pieces.push(piece);
  return pieces.join("");
}

/** What a reader sees of markup. */
const textOf = (markup: string): string =>
  markup
    .replace(/<[^>]*>/g, " ")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&#39;/g, "'")
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, "&");

const planted = (): string =>
  new TextDecoder().decode(readCorpus("traces", "dma-ppc64le-linux612-planted.txt"));

/** The report of it, which several tests look at. */
let reported: Promise<{ readonly reading: Reading; readonly page: string }> | undefined;
const plantedReport = (): NonNullable<typeof reported> =>
  (reported ??= readingOf(planted(), "planted.txt").then(async (reading) => ({
    reading,
    page: await pageOf(reading),
  })));
const plantedPage = async (): Promise<string> => (await plantedReport()).page;

/** An event of a page that a device maps. */
const dmaMap = (line: number, device: string, address: number, task = "task-1"): string =>
  `${task} [000] .... ${line}.000000: dma_map_page: ${device} dir=TO_DEVICE dma_addr=${address.toString(16)} size=4096 phys_addr=${(line * 4096).toString(16)} attrs=`;

describe("a report", () => {
  it("has each finding with the lines that prove it", async () => {
    const { reading, page } = await plantedReport();
    const lines = planted().split("\n");
    expect(reading.findings.length).toBeGreaterThan(10);
    for (const [i, { kind, message, lines: at, events }] of reading.findings.entries()) {
      const start = page.indexOf(`id="f1-n${i + 1}"`);
      const section = textOf(page.slice(start, page.indexOf("</section>", start)));
      expect(section).toContain(kind);
      expect(section).toContain(message);
      if (events.length <= 8)
        for (const line of at) expect(section).toContain(lines[line - 1]!.slice(0, 500));
    }
  });

  it("shows the state before and after a mistake, and where it is", async () => {
    const { reading, page } = await plantedReport();
    const number = reading.findings.findIndex(({ message }) => message.startsWith("3000 bytes were mapped"));
    const start = page.indexOf(`id="f1-n${number + 1}"`);
    const section = page.slice(start, page.indexOf("</section>", start));
    expect(section).toMatch(/<rect class="mark" x="0" y="11"/);
    const rows = [...section.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
      textOf(row!).split(/\s+/).filter(Boolean),
    );
    expect(rows.slice(1).map((row) => row.slice(0, 3))).toEqual([
      ["10", "nothing", "is"],
      ["11", "0x0000000000180000", "1"],
      ["12", "nothing", "is"],
    ]);
  });

  it("is the same for the same file", async () => {
    expect(await pageOf(await readingOf(planted(), "planted.txt"))).toBe(await plantedPage());
  });

  it("needs nothing else, and may do nothing: its policy allows its own style alone", async () => {
    const page = await plantedPage();
    const style = /<style>([\s\S]*?)<\/style>/.exec(page)![1]!;
    const hash = createHash("sha256").update(style).digest("base64");
    expect(page).toContain(
      `content="default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"`,
    );
    expect(page).not.toMatch(/<(?:script|link|img|iframe|object|embed|form)\b|\s(?:src|style|on\w+)=/i);
    expect((page.match(/url\([^)]*\)/g) ?? []).filter((url) => !url.startsWith("url(#hatch-"))).toEqual([]);
  });

  it("has colours of the page for all inks, in light and dark", async () => {
    const page = await plantedPage();
    const style = /<style>([\s\S]*?)<\/style>/.exec(page)![1]!;
    const [light, dark] = style.split("@media (prefers-color-scheme: dark)");
    for (const ink of INKS) {
      const colour = new RegExp(`--ink-${ink}: (#[0-9a-f]{6});`);
      for (const part of [light!, dark!]) expect(part, ink).toMatch(colour);
      expect(STYLE).toContain(`--ink-${ink}: ${colour.exec(dark!)![1]}`);
    }
  });

  it("shows names from a file as text, whatever they are", async () => {
    const markup = `<img src=x onerror="alert(1)"></pre><script>alert('&amp;')</script>`;
    const map = dmaMap(1, "0000:00:04.0", 0x10000, `${markup}-160`);
    const unmap = map.replace("dma_map_page", "dma_unmap_page").replace(/phys_addr=\w+ /, "");
    const events = [map, unmap, unmap];
    const name = `"><svg onload=alert(1)>\u202e.txt`;
    const page = await pageOf(await readingOf(`# tracer: nop\n${events.join("\n")}\n`, name));
    expect(page).not.toMatch(/<img|<script|<svg onload/);
    expect(page).not.toContain("\u202e");
    expect(textOf(page)).toContain(markup);
    expect(textOf(page)).toContain('"><svg onload=alert(1)>\\u202e.txt');
    // Each tag that is there is one of ours.
    const tags = new Set([...page.matchAll(/<\/?([a-z][a-z0-9]*)/gi)].map(([, tag]) => tag!.toLowerCase()));
    expect([...tags].filter((tag) => ["img", "script", "iframe", "b"].includes(tag))).toEqual([]);
  });

  it("stays small however many devices and findings there are, and says what it left out", async () => {
    const lines: string[] = [];
    // Every other event is of the first device, which has more of all than there are rows for.
    for (let i = 0; i < 2_000; i++) {
      const device = `0000:${(i % 2 === 0 ? (i / 2) % 200 : 0).toString(16).padStart(2, "0")}:00.0`;
      const address = ((i * 2_654_435_761) % 2 ** 20) * 4096;
      lines.push(dmaMap(i, device, address));
    }
    const page = await pageOf(await readingOf(`# tracer: nop\n${lines.join("\n")}\n`, "many.txt"));
    expect(page.length).toBeLessThan(3_000_000);
    expect(page).toContain("There was no room for");
    expect(page).toContain("The 24 busiest of 200 are drawn.");
    expect(page.endsWith("</main></body></html>\n")).toBe(true);
  });

  it("tells windows apart that had one number one after the other", async () => {
    const text = new TextDecoder().decode(readCorpus("traces", "faults-stray-dma-e1000-nvme-linux61.log"));
    const page = await pageOf(await readingOf(text + text, "twice.log"));
    const titles = [...page.matchAll(/<h3 [^>]*>([^<]*)<\/h3>/g)].map(([, title]) => title!);
    expect(titles.filter((title) => /^0x\w+, events [\d,]+ to [\d,]+$/.test(title)).length).toBeGreaterThan(
      1,
    );
    expect(new Set(titles).size).toBe(titles.length);
  });

  it("says what could not be judged, and that a file ends early", async () => {
    const text = readCorpus("traces", "faults-stray-dma-e1000-nvme-linux61.log");
    const packed = new Uint8Array(
      readFileSync(
        path.resolve(import.meta.dirname, "../corpus/traces/faults-stray-dma-e1000-nvme-linux61.log.gz"),
      ),
    );
    const whole = await readingOf(text, "a.log");
    const cut = await readingOf(packed.subarray(0, packed.length / 2), "a.log.gz");
    for (const reading of [whole, cut]) {
      const page = textOf(await pageOf(reading));
      for (const { reason } of reading.report!.notJudged) expect(page).toContain(reason);
    }
    expect(textOf(await pageOf(cut))).toContain(`what follows: ${cut.early}`);
  });

  it("tells of several files, and all that it refers to is there once", async () => {
    const script = readFileSync(path.resolve(import.meta.dirname, "../cases/readme-script.jsonl"));
    const readings = [
      await readingOf(new Uint8Array(script), "script.jsonl"),
      await readingOf(planted(), "planted.txt"),
    ];
    const page = await pageOf(...readings);
    expect(page).toContain('<a href="#f1">script.jsonl</a>');
    expect(page).toContain('<article id="f2"');
    expect(page).toContain("Nothing was found wrong.");
    // All that is referred to is there, once.
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, found] of page.matchAll(/(?:href="#|aria-labelledby="|url\(#)([^")]+)/g))
      for (const id of found!.split(" ")) expect(ids).toContain(id);
  });
});

describe("a picture as SVG", () => {
  const pictureOf = (
    ...bars: readonly (readonly [number, number, number, number, (typeof INKS)[number]])[]
  ) => {
    const all = new Bars();
    for (const [x, y, width, height, ink] of bars) all.add(x, y, width, height, inkOf(ink));
    return { width: 100, height: 20, bars: all, labels: [] };
  };
  /** The pixels that an ink covers, as the paths of a picture draw them one over the other. */
  function pixelsOf(svg: string): string[] {
    const grid = Array.from({ length: 20 }, () => Array.from({ length: 100 }, () => "."));
    const names = new Map<string, string>();
    for (const [, hatch, plain, path] of svg.matchAll(
      /<path(?: fill="url\(#hatch-(.*?)\)"| class="i-(.*?)") d="(.*?)"/g,
    )) {
      const ink = (hatch ?? plain)!;
      if (!names.has(ink)) names.set(ink, ink[0]!);
      for (const [, x, y, w, h] of path!.matchAll(/M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)H[\d.]+z/g))
        for (let row = Number(y); row < Number(y) + Number(h); row++)
          for (let column = Number(x); column < Number(x) + Number(w); column++)
            grid[row]![column] = names.get(ink)!;
    }
    return grid.map((row) => row.join(""));
  }

  it("covers what bars cover, with as few stretches as that takes", () => {
    const svg = svgOf(
      pictureOf(
        [0, 0, 10, 5, "map"],
        [10, 0, 10, 5, "map"],
        [15, 0, 20, 5, "map"],
        [50, 0, 1, 5, "map"],
        [0, 5, 10, 5, "map"],
      ),
      "x",
    ).text;
    expect(svg.match(/M/g)).toHaveLength(3);
    const rows = pixelsOf(svg);
    expect(rows[0]).toBe("m".repeat(35).padEnd(50, ".").concat("m").padEnd(100, "."));
    expect(rows[5]).toBe("m".repeat(10).padEnd(100, "."));
  });

  it("keeps hatches over what they are on, and areas below bars", () => {
    const svg = svgOf(
      pictureOf(
        [0, 0, 10, 10, "inferred"],
        [0, 0, 10, 10, "read-4"],
        [20, 0, 5, 5, "map"],
        [20, 0, 10, 10, "occupancy"],
      ),
      "x",
    ).text;
    const rows = pixelsOf(svg);
    expect(rows[0]!.slice(0, 30)).toBe(`${"i".repeat(10)}${".".repeat(10)}${"m".repeat(5)}${"o".repeat(5)}`);
  });
});

describe("a piece of markup", () => {
  it("takes text as text, and pieces as pieces", () => {
    const inner = html`<b>${"a<b>&\"'"}</b>`;
    expect(html`<p title="${'"x"'}">${inner}${[1, " ", inner]}${undefined}</p>`.text).toBe(
      '<p title="&quot;x&quot;"><b>a&lt;b&gt;&amp;&quot;&#39;</b>1 <b>a&lt;b&gt;&amp;&quot;&#39;</b></p>',
    );
  });
});
