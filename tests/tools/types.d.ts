// Types of the plain-JavaScript tools that typed tests import.
declare module '*/dependency_rules.mjs' {
  export function checkDependencies(root: string): { files: number; problems: string[] };
}
declare module '*/golden_summary.mjs' {
  export function goldenSummary(report: object): string[];
}
declare module '*/serve.mjs' {
  export const ISOLATION_HEADERS: Readonly<Record<string, string>>;
  export function serveApp(options: {
    folder: string;
    port?: number;
    host?: string;
    isolated?: boolean;
  }): Promise<{ url: string; port: number; close: () => void }>;
}
declare module '*/chromium.mjs' {
  export function findChromium(): Promise<string | undefined>;
  export function ensureChromium(): Promise<string>;
}
