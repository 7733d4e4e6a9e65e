/** Where Perfetto runs: in the browser, with what it is given; it sends nothing on. */
const ORIGIN = "https://ui.perfetto.dev";
const PING_MS = 50;
/** A window that does not answer so long is no Perfetto. */
const PATIENCE_MS = 30_000;

/**
 * Opens a timeline in Perfetto: in a window of its own, which is asked until it answers, and is then given the bytes.
 *
 * @param bytes what is to be shown; asked for after the window was opened, as browsers open one for a click only
 * @throws Error if there is no window, or it does not answer
 */
export async function openInPerfetto(title: string, bytes: () => Promise<Uint8Array>): Promise<void> {
  const other = window.open(ORIGIN);
  if (other === null) throw new Error("the browser does not let this page open a window");
  const timeline = await bytes();
  await answerOf(other);
  const buffer = timeline.buffer.slice(timeline.byteOffset, timeline.byteOffset + timeline.byteLength);
  other.postMessage({ perfetto: { buffer, title } }, ORIGIN);
}

/** Asks a window whether it is there, until it says so. */
function answerOf(other: Window): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearInterval(pinging);
      clearTimeout(patience);
      removeEventListener("message", take);
    };
    const take = ({ data, origin, source }: MessageEvent): void => {
      if (data !== "PONG" || origin !== ORIGIN || source !== other) return;
      end();
      resolve();
    };
    const pinging = setInterval(() => other.postMessage("PING", ORIGIN), PING_MS);
    const patience = setTimeout(() => {
      end();
      reject(new Error(`${ORIGIN} does not answer`));
    }, PATIENCE_MS);
    addEventListener("message", take);
  });
}
