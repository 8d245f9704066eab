/**
 * Finds a Chromium for browser tests: CHROME_PATH, Playwright's own download, the system's; on Debian, as root, it
 * installs the distribution's package. Otherwise it says exactly what to do.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './run.mjs';

const SYSTEM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'msedge'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The path of a Chromium that exists, or undefined. */
export async function findChromium() {
  const asked = process.env.CHROME_PATH;
  if (asked) {
    if (isExecutable(asked)) return asked;
    throw new Error(`CHROME_PATH is ${asked}, which cannot be executed; correct or unset it.`);
  }
  const { chromium } = await import('playwright');
  const own = chromium.executablePath();
  if (own && existsSync(own)) return own;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of SYSTEM_NAMES) if (isExecutable(join(folder, name))) return join(folder, name);
  }
  return existsSync(MAC) ? MAC : undefined;
}

/** Like `findChromium`, but installs Debian's package when that is allowed. */
export async function ensureChromium() {
  const found = await findChromium();
  if (found) return found;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && existsSync('/usr/bin/apt-get')) {
    console.log('No Chromium found: installing the Debian package "chromium".');
    await run('apt-get', ['update', '-qq'], { capture: true });
    const { code, output } = await run('apt-get', ['install', '-y', '-qq', 'chromium'], {
      capture: true,
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (code !== 0) console.error(output);
    const installed = await findChromium();
    if (installed) return installed;
  }
  throw new Error(
    'No Chromium found. Do one of: "npx playwright install chromium"; install Chrome or Chromium; set CHROME_PATH to its executable. On Debian: "sudo apt-get install chromium".',
  );
}
