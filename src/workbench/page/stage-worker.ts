import { Stage } from "../stage/stage.ts";
import type { StageRequest } from "../stage-protocol.ts";

/** What of a worker's global scope is used; the page's types are of a document. */
interface WorkerScope {
  onmessage: (event: MessageEvent<StageRequest>) => void;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;
const stage = new Stage(
  (message) => scope.postMessage(message),
  () => performance.now(),
);

scope.onmessage = ({ data }) => stage.take(data);
