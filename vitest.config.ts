import { defineConfig } from 'vitest/config';

const onServers = {
  globalSetup: ['test/support/integration-setup.ts'],
  pool: 'forks' as const,
  testTimeout: 180_000,
  hookTimeout: 120_000,
};

export default defineConfig({
  test: {
    // Most files have servers of their own; more than two at once only wait for each other.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      { test: { ...onServers, name: 'integration', include: ['test/integration/**/*.test.ts'] } },
      // What `npm test` tells of them: five minutes, where all of them take far longer.
      { test: { ...onServers, name: 'stories', include: ['first-pair', 'init-primary', 'add-standby', 'status', 'role-changes', 'failover'].map((name) => `test/integration/${name}.test.ts`) } },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html', 'json-summary'],
      reportsDirectory: 'coverage',
    },
  },
});
