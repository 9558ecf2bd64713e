import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Builds the server once for all files, unless REALTIME_BIN names one. */
export default function setup(): (() => void) | undefined {
  if (process.env.REALTIME_BIN) return undefined;
  const dir = mkdtempSync(join(tmpdir(), "realtime-sdk-"));
  const path = join(dir, "realtime");
  const repository = fileURLToPath(new URL("../../..", import.meta.url));
  execFileSync("go", ["build", "-o", path, "./cmd/realtime"], { cwd: repository, stdio: "inherit" });
  process.env.REALTIME_BIN = path;
  return () => {
    rmSync(dir, { recursive: true, force: true });
  };
}
