import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "../realtime-message-sdk/test/e2e/build-server.ts",
    maxWorkers: 2, // the page that stays hidden for a minute, and the others
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
