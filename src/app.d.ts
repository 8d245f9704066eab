// Ambient types of the SvelteKit application; the app adds none of its own.
declare global {
  namespace App {}
}
export {};
