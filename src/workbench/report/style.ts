import { HATCHED, INKS } from "../draw/renderer.ts";

/** What the report adds to the colours of the page. */
const RULES = `
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:16px;background:var(--page);color:var(--text);font:13px/1.45 var(--font)}
h1{font-size:18px;margin:0 0 4px}h2{font-size:16px;margin:0;overflow-wrap:anywhere}h3{font-size:14px;margin:0 0 6px}h4{font-size:13px;margin:0 0 4px;overflow-wrap:anywhere}
p,ul,ol{margin:0 0 6px}
a{color:var(--accent)}
article{margin-top:20px}
section,header.file{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:10px 14px;margin-top:8px}
section section{border-width:1px 0 0;border-radius:0;margin:10px -14px 0;padding:10px 14px}
section section:target{background:var(--chosen)}
.dim,figcaption{color:var(--dim)}
section section:target .dim,section section:target figcaption,section section:target summary{color:var(--text)}
.error{color:var(--error);font-weight:600}.warning{color:var(--warning);font-weight:600}
figure{margin:8px 0}
svg{display:block;width:100%;height:auto;background:var(--canvas)}
svg.defs{position:absolute;width:0;height:0}
text{font:11px var(--mono);fill:var(--text);stroke:var(--canvas);stroke-width:3px;paint-order:stroke}
.mark{fill:none;stroke:var(--text);stroke-width:1.5}
summary{cursor:pointer;color:var(--dim)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font:12px/1.5 var(--mono);white-space:nowrap}
th,td{text-align:left;padding:1px 14px 1px 0;font-weight:400}
th{color:var(--dim);font-family:var(--font)}
.n{text-align:right}
section section:target th{color:var(--text)}
td.what{white-space:normal;min-width:260px}
pre{margin:6px 0;font:12px/1.5 var(--mono);overflow-x:auto;background:var(--page);padding:4px 8px;border-radius:4px}
.legend{display:flex;flex-wrap:wrap;gap:2px 12px}
.key::before{content:"";display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:4px;background:var(--key)}
.axis{display:flex;justify-content:space-between;color:var(--dim);font-size:11px}
@media print{body{max-width:none}details:not([open])>*{display:none}}
`;

/** The rules of a report: the colours of the page, in light and dark, and how a report looks. */
export function styleOf(pageStyle: string): string {
  const inks = INKS.filter((ink) => !HATCHED.has(ink)).map((ink) => `.i-${ink}{fill:var(--ink-${ink})}`);
  const hatches = [...HATCHED].map((ink) => `.h-${ink}{stroke:var(--ink-${ink});stroke-width:1.5}`);
  const keys = INKS.map((ink) => `.k-${ink}{--key:${keyOf(ink)}}`);
  return [coloursOf(pageStyle), RULES, ...inks, ...hatches, ...keys].join("\n");
}

const keyOf = (ink: (typeof INKS)[number]): string =>
  HATCHED.has(ink)
    ? `repeating-linear-gradient(135deg,var(--ink-${ink}) 0 1.5px,transparent 1.5px 4px)`
    : `var(--ink-${ink})`;

/** The rules of a style sheet that name colours: those of `:root`, for light and for dark. */
function coloursOf(style: string): string {
  const rule = String.raw`:root\s*\{[^{}]*\}`;
  const all = style.match(
    new RegExp(`@media \\(prefers-color-scheme: dark\\)\\s*\\{\\s*${rule}\\s*\\}|${rule}`, "g"),
  );
  return (all ?? []).join("\n").replace(/\s+/g, " ");
}
