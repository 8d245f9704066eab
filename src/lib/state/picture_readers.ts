/** What reads pictures and parameter texts of all programs; loaded when there is something to read. */
export { readParameters } from '../infotext/parameter_fields';
export { readPicture } from '../infotext/picture';
export { OPTIONAL_SETTINGS, settingsFromParameters } from './settings_from_parameters';
