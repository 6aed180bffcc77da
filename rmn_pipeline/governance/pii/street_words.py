"""Kinds of street, as alternatives of a pattern, sorted by how much else the word may mean in a retail report."""

# Kinds of street that are hardly anything else in a report.
PLAIN_STREETS = (
    r"street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|parkway|pkwy|highway|hwy|crescent|cres|terrace|expressway|"
    r"turnpike|causeway|viaduct|freeway"
)
# Kinds of street that are ordinary words too.
WORDY_STREETS = (
    r"way|ways|court|courts|ct|place|pl|circle|cir|square|sq|close|loop|trail|trl|plaza|drive|drives|dr|alley|ter|run|"
    r"common|commons|corner|corners|junction|mission|station|estate|estates|neck|port|radial|summit|mountain|heights|"
    r"bypass|bridge|center|centers|crossroad|curve|extension|ferry|flat|fork|forges?|fort|gateway|glens?|isle|"
    r"landing|lodge|manor|mews|motorway|oval|overpass|park|parks|pass|passage|path|pike|point|points|prairie|ramp|"
    r"rapid|rest|roads|route|row|shoal|shore|shores|skyway|squares|stravenue|stream|streets|throughway|trace|track|"
    r"trafficway|tunnel|underpass|union|unions|view|views|vista|walk|walks|wall|well|wells|quadrant|gardens?|greens?"
)
# Kinds of street that half of all food brands are named after.
COUNTRY_STREETS = (
    r"valley|valleys|springs?|orchard|fields?|meadows?|mills?|ranch|hills?|hollow|creek|lakes?|river|forest|island|"
    r"islands|harbors?|ridges?|rock|camp|village|villages|crossing|groves?|bay|bayou|beach|bluff|bluffs|branch|brook|"
    r"brooks|burg|canyon|cape|cliffs?|cove|coves|dale|dam|falls|haven|inlet|keys?|knolls?|light|lights|pines?|plain|"
    r"plains|spur|spurs|ville|mount|club|course"
)
STREET_WORDS = f"{PLAIN_STREETS}|{WORDY_STREETS}|{COUNTRY_STREETS}"
FRENCH_STREET_WORDS = r"rue|avenue|boulevard|place|chemin|allee|impasse|quai"
SOUTHERN_STREET_WORDS = (
    r"calle|avenida|avda|paseo|plaza|via|viale|piazza|corso|rua|vicolo|contrada|borgo|strada|"
    r"largo|travessa|alameda"
)
STREET_ENDINGS = r"strasse|str\.|weg|platz|gasse|allee|straat|laan|gracht|plein|singel|dreef|boulevard"
