/** While something long runs: the screen stays on, and its end is told when the page is in the background. */

export type NotificationChoice = 'unsupported' | NotificationPermission;

export class Background {
  permission: NotificationChoice = $state('Notification' in globalThis ? Notification.permission : 'unsupported');
  #wakeLock: WakeLockSentinel | undefined;
  #wanted = false;

  /** Keeps the screen on; given back by the browser whenever the page is hidden, asked for again on return. */
  async keepAwake(wanted: boolean): Promise<void> {
    this.#wanted = wanted;
    if (!wanted) {
      await this.#wakeLock?.release().catch(() => undefined);
      this.#wakeLock = undefined;
      return;
    }
    const { wakeLock } = navigator as { wakeLock?: WakeLock };
    if (!wakeLock || document.visibilityState !== 'visible' || this.#wakeLock?.released === false) return;
    // Refused on a low battery: the screen may then turn off, the job goes on.
    this.#wakeLock = await wakeLock.request('screen').catch(() => undefined);
  }

  visibilityChanged(): void {
    if (document.visibilityState !== 'visible') return;
    void this.badge(0);
    if (this.#wanted) void this.keepAwake(true);
  }

  async askPermission(): Promise<void> {
    if ('Notification' in globalThis) this.permission = await Notification.requestPermission();
  }

  /** A notification and a badge, only when nobody looks. */
  tell(title: string, body: string): void {
    if (document.visibilityState === 'visible') return;
    void this.badge(1);
    if (this.permission !== 'granted') return;
    void this.#notify(title, { body, tag: 'sketchforge-done', icon: 'icon-192.png' });
  }

  /** By the service worker, which is the only way on Android; by the page where none is in charge. */
  async #notify(title: string, options: NotificationOptions): Promise<void> {
    const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer };
    const registration = await serviceWorker?.getRegistration().catch(() => undefined);
    try {
      if (registration?.active) await registration.showNotification(title, options);
      else new Notification(title, options);
    } catch {
      // Refused by the system: the badge remains.
    }
  }

  async badge(count: number): Promise<void> {
    const target = navigator as { setAppBadge?: (count: number) => Promise<void>; clearAppBadge?: () => Promise<void> };
    await (count > 0 ? target.setAppBadge?.(count) : target.clearAppBadge?.())?.catch(() => undefined);
  }
}
