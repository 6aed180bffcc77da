"""One writer per network format: rows in the retailer's books become the bytes that the network sends."""

from rmn_pipeline.world.config import NetworkName
from rmn_pipeline.world.networks import amazon_ads, criteo_retail_media, instacart_ads, walmart_connect
from rmn_pipeline.world.networks.base import Network, ReportRow, add_faults, encode_csv

NETWORKS: dict[NetworkName, Network] = {
    "amazon_ads": amazon_ads.NETWORK,
    "walmart_connect": walmart_connect.NETWORK,
    "criteo_retail_media": criteo_retail_media.NETWORK,
    "instacart_ads": instacart_ads.NETWORK,
}

__all__ = ["NETWORKS", "Network", "ReportRow", "add_faults", "encode_csv"]
