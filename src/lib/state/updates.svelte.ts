/** The installed app: its service worker, updates that wait for the user, isolation on hosts that send no headers. */

/** One reload per visit at most: if it does not help, the app runs with one thread. */
const RELOADED = 'sketchforge-reloaded-for-isolation';

export class Updates {
  /** A new version is installed and waits. */
  ready = $state(false);
  /** Everything needed offline is cached. */
  offlineReady = $state(false);
  #waiting: ServiceWorker | undefined;

  /** Registers the worker; without service workers (private modes) the app works online only. */
  async register(url: string, scope: string): Promise<void> {
    if (!('serviceWorker' in navigator)) return;
    const { serviceWorker } = navigator;
    let registration: ServiceWorkerRegistration;
    try {
      registration = await serviceWorker.register(url, { scope, type: 'module' });
    } catch {
      // Refused by the browser or the host; nothing else depends on it.
      return;
    }
    const watch = (worker: ServiceWorker | null) => {
      worker?.addEventListener('statechange', () => {
        // Not by the page's controller: WebKit tells of the first installation when that worker already controls the page.
        if (registration.waiting === worker && registration.active) this.#offer(worker);
        if (worker.state === 'activated') this.offlineReady = true;
      });
    };
    if (registration.waiting && registration.active) this.#offer(registration.waiting);
    this.offlineReady = registration.active?.state === 'activated';
    watch(registration.installing);
    registration.addEventListener('updatefound', () => watch(registration.installing));
    if (!crossOriginIsolated && sessionStorage.getItem(RELOADED) === null) {
      await serviceWorker.ready;
      sessionStorage.setItem(RELOADED, 'yes');
      location.reload();
    }
  }

  /** Switches to the new version; called by the user's choice, never while something runs. */
  apply(): void {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    this.#waiting?.postMessage('apply-update');
  }

  #offer(worker: ServiceWorker): void {
    this.#waiting = worker;
    this.ready = true;
  }
}
