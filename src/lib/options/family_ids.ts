/** Every model family by its id: one list for families, options, files and the page. */
export const FAMILY_IDS = ['sd1', 'sd2', 'sdxl', 'sdxl-refiner', 'sd3', 'flux1', 'chroma', 'flux2', 'z-image'] as const;
export type FamilyId = (typeof FAMILY_IDS)[number];
