"""What the domain's words mean: questions with answers, tiny metric arithmetic, and plain prose."""

from random import Random

from rmn_pipeline.lora.corpus import values
from rmn_pipeline.lora.corpus.phrases import PLACEMENT_NAMES, view

DEFINITIONS: dict[str, str] = {
    "ROAS": "attributed revenue divided by ad spend",
    "iROAS": "incremental revenue divided by ad spend",
    "incremental revenue": "revenue that would not have happened without the ads",
    "attributed revenue": "revenue that the network credits to an ad by its attribution rule",
    "incremental margin": "gross margin on incremental revenue",
    "CPA": "ad spend divided by conversions",
    "CPC": "ad spend divided by clicks",
    "CPM": "ad spend per thousand impressions",
    "CTR": "clicks divided by impressions",
    "conversion rate": "conversions divided by clicks",
    "ACOS": "ad spend divided by attributed revenue",
    "retail media network": "a retailer that sells advertising on its own shops and data",
    "clean room": "a place where data of several parties is queried and only safe aggregates leave",
    "k-anonymity threshold": "the smallest number of customers that a released cell may hold",
    "differential privacy": "noise on released numbers that hides any single customer",
    "epsilon": "the privacy budget; a smaller one means more noise",
    "suppression": "leaving out cells with too few customers",
    "attribution window": "the days after an ad within which a sale is credited to it",
    "last touch attribution": "all credit goes to the last ad before the sale",
    "linear attribution": "credit is split evenly over the ads before the sale",
    "view-through": "credit for a sale after an ad was seen but not clicked",
    "halo sales": "sales of other products after an ad for one product",
    "new to brand": "a buyer without a purchase of the brand in the past year",
    "placement": "where on the shop an ad is shown",
    "search placement": "an ad among search results",
    "category placement": "an ad on a category page",
    "product detail placement": "an ad on the page of a product",
    "home placement": "an ad on the home page of a shop",
    "offsite placement": "an ad outside the shop, bought with the retailer's data",
    "audience": "a group of shoppers that an ad is shown to",
    "SKU": "one sellable product in one size",
    "GTIN": "the global number of a trade item, written with fourteen digits",
    "UPC": "a product code of twelve digits",
    "ASIN": "the product id of one large marketplace",
    "restatement": "a network's later correction of numbers it reported before",
    "as-of date": "the day on which a network reported a number",
    "impressions": "how often an ad was shown",
    "clicks": "how often an ad was clicked",
    "conversions": "orders or units that follow an ad",
    "saturation": "each further dollar on one arm brings less than the one before",
    "diminishing returns": "the response flattens as spend grows",
    "response curve": "incremental revenue as a function of spend",
    "half saturation": "the spend at which half of the largest response is reached",
    "arm": "one retailer, placement, audience and SKU",
    "holdout": "a group that sees no ads, for comparison",
    "geo test": "ads are switched by region and regions are compared",
    "switchback": "ads are switched on and off over time and the periods are compared",
    "A/B test": "shoppers are assigned at random to see the ads or not",
    "power": "the chance that a test finds an effect that is there",
    "minimum detectable effect": "the smallest effect that a test can find reliably",
    "CUPED": "using data from before a test to reduce its noise",
    "baseline sales": "sales that happen without ads",
    "cannibalization": "sales that one product takes from another of the same brand",
    "pacing": "spreading a budget over time",
    "flight": "the time during which a campaign runs",
    "line": "a family of products of one brand",
    "budget": "the most that a plan may spend",
    "exploration": "spending a small share to learn about uncertain arms",
    "experiment share": "the part of the budget that is kept for experiments",
    "retailer cap": "the largest share of the budget that one retailer may get",
    "out of stock": "a product that cannot be bought at the moment",
    "RMIS": "the one schema into which every network's report is brought",
    "rejects": "rows that break a rule and are kept apart with the reason",
    "crosswalk": "a table that joins a network's product ids to GTINs",
    "schema drift": "a network renames or adds columns",
    "conversion unit": "what a conversion counts: orders, units or items",
    "revenue scope": "whether revenue counts the advertised SKU alone or all sales",
    "margin rate": "gross margin divided by revenue",
    "stock level": "units on hand",
    "promo flag": "whether a product was on promotion that day",
    "adapter": "small trained weights that are added to a base model",
    "base model": "the model that all adapters stand on",
}
QUESTIONS: tuple[str, ...] = (
    "What is {term}?",
    "What does {term} mean?",
    "Define {term}.",
    "Explain {term}.",
    "{term}?",
    "Meaning of {term}",
    "What do we mean by {term}?",
    "Tell me what {term} is.",
    "Short definition of {term}, please.",
    "How is {term} defined?",
    "In one line: {term}.",
    "What is meant by {term}?",
    "Can you define {term}?",
    "I keep hearing {term}. What is it?",
)

LINE_QUESTIONS: tuple[str, ...] = (
    "Which line is {name}?",
    "Which line of {brand} is {name}?",
    "Line id of {name}?",
    "What is the line id of {name}?",
    "{brand}: which line is meant by {name}?",
    "{name} is which line?",
    "Which line does {brand} mean by {name}?",
    "Give the line id for {name} of {brand}.",
)
PLACEMENT_QUESTIONS: tuple[str, ...] = (
    "Which placement is {name}?",
    "What placement is meant by {name}?",
    "{name} is which placement?",
    "Placement id of {name}?",
    "Name the placement for {name}.",
    "Which placement type do {name} belong to?",
    "Under which placement do we book {name}?",
)

_RATIOS: tuple[tuple[str, str, str], ...] = (
    ("spend {b}, attributed revenue {a}", "ROAS", ""),
    ("spend {b}, incremental revenue {a}", "iROAS", ""),
    ("cost {a}, clicks {b}", "CPC", ""),
    ("cost {a}, orders {b}", "CPA", ""),
    ("ad spend {a}, conversions {b}", "cost per order", ""),
)
_PROSE: tuple[str, ...] = (
    "{retailer} sells ads in {place} and reports {metric} by day.",
    "{brand} spent {money} at {retailer} and saw {metric} grow by {share}.",
    "Attributed revenue at {retailer} overstates the true effect because loyal shoppers would have bought anyway.",
    "The clean room of {retailer} hides cells with fewer than {number} customers.",
    "In {place}, {metric} rises quickly at first and flattens after {money} a week.",
    "{brand} keeps {share} of its budget for experiments, so that it learns which arms work.",
    "When a product is out of stock at {retailer}, clicks cost money and bring no sales.",
    "{retailer} restates conversions for {number} days after the first report.",
    "A holdout at {retailer} showed that {share} of the attributed sales were incremental.",
    "Shoppers in the {audience} audience respond more to {place} than to other placements.",
    "The {line} line of {brand} sells best at {retailer}.",
    "{brand} plans {weeks} ahead and reviews {metric} every Monday.",
    "Margin matters more than revenue when {brand} decides between {place} and other placements.",
    "A plan respects the budget of {money}, the ROAS floor of {ratio} and the cap of {share} per retailer.",
    "Noise added by the clean room makes small arms hard to tell apart.",
    "{retailer} counts orders, while other networks count units, so {metric} cannot be compared without care.",
    "The report of {retailer} arrives as a file with one row per day, campaign and product.",
    "Dates in the feed of {retailer} follow its own time zone.",
    "Promotions lift sales with or without ads; a model must not credit the ads for them.",
    "With {money} over {weeks}, {brand} can fund about {number} products.",
    "Ads for {line} ran in {place} for {weeks}.",
)


def generate_definition(rng: Random, split: str = "train") -> tuple[str, str, str]:
    """Draw a question about a term or a tiny ratio; return prompt, answer and template."""
    kind = rng.random()
    if kind < 0.25:
        return _arithmetic(rng)
    if kind < 0.45:
        return _naming(rng, split)
    term = rng.choice(sorted(DEFINITIONS))
    question = rng.choice(view(QUESTIONS, split))
    return question.replace("{term}", term), DEFINITIONS[term], f"question:{question}"


def _arithmetic(rng: Random) -> tuple[str, str, str]:
    given, name, _ = rng.choice(_RATIOS)
    divisor = rng.choice((2, 3, 4, 5, 10, 20, 50, 100, 200, 500, 1000))
    quotient = rng.randint(1, 12)
    prompt = f"{given.format(a=divisor * quotient, b=divisor)}: {name}?"
    return prompt, str(quotient), f"ratio:{name}"


def _naming(rng: Random, split: str) -> tuple[str, str, str]:
    """Ask for the id behind a plainly named product line or placement."""
    if rng.random() < 0.3:
        placement = rng.choice(sorted(PLACEMENT_NAMES))
        question = rng.choice(view(PLACEMENT_QUESTIONS, split))
        return (
            question.replace("{name}", rng.choice(PLACEMENT_NAMES[placement])),
            placement,
            f"question:{question}",
        )
    line = values.sample_line_id(rng)
    question = rng.choice(view(LINE_QUESTIONS, split))
    text = question.replace("{name}", values.line_text(rng, line)).replace(
        "{brand}", values.sample_brand_id(rng)
    )
    return text, line, f"question:{question}"


def generate_prose(rng: Random) -> str:
    """Draw two to four plain sentences about the domain."""
    return " ".join(_prose_sentence(rng) for _ in range(rng.randint(2, 4)))


def _prose_sentence(rng: Random) -> str:
    if rng.random() < 0.35:
        term = rng.choice(sorted(DEFINITIONS))
        return rng.choice(
            (
                f"{term} means {DEFINITIONS[term]}.",
                f"By {term} we mean {DEFINITIONS[term]}.",
                f"{term}: {DEFINITIONS[term]}.",
            )
        )
    text = rng.choice(_PROSE)
    fillers = {
        "retailer": values.sample_retailers(rng)[0],
        "brand": values.sample_brand_id(rng),
        "place": rng.choice(("search", "category pages", "product pages", "the home page", "offsite")),
        "metric": rng.choice(("revenue", "clicks", "orders", "impressions", "ROAS", "iROAS", "margin")),
        "money": values.money_text(rng, values.sample_budget(rng)),
        "share": values.share_text(rng, rng.randint(1, 60) / 100),
        "ratio": values.ratio_text(rng, rng.randint(2, 12) / 2),
        "weeks": values.weeks_text(rng, values.sample_weeks(rng)),
        "number": str(rng.randint(2, 99)),
        "audience": rng.choice(("loyal", "lapsed", "new to brand", "in-market")),
        "line": values.sample_line_id(rng).replace("_", " "),
    }
    return text.format(**fillers)
