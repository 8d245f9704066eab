// The app is a static shell: everything it shows comes from the browser's own storage and workers.
export const ssr = false;
export const prerender = true;
