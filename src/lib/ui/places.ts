/** The pages, in the order of the navigation. */
import Boxes from '@lucide/svelte/icons/boxes';
import Brush from '@lucide/svelte/icons/brush';
import Cpu from '@lucide/svelte/icons/cpu';
import Images from '@lucide/svelte/icons/images';
import ListOrdered from '@lucide/svelte/icons/list-ordered';
import Settings from '@lucide/svelte/icons/settings';

export const PLACES = [
  { path: '/', key: 'nav.create', Icon: Brush },
  { path: '/gallery', key: 'nav.gallery', Icon: Images },
  { path: '/models', key: 'nav.models', Icon: Boxes },
  { path: '/queue', key: 'nav.queue', Icon: ListOrdered },
  { path: '/engine', key: 'nav.engine', Icon: Cpu },
  { path: '/settings', key: 'nav.settings', Icon: Settings },
] as const;
