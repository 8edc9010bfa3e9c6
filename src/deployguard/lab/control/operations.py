"""Which function answers which Lambda operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployguard.lab.control import (
    aliases,
    concurrency,
    destinations,
    functions,
    mappings,
    policies,
    provisioned,
    tags,
    urls,
    versions,
)
from deployguard.lab.control.state import Cloud

Handler = Callable[[Cloud, str, dict[str, Any]], dict[str, Any]]

HANDLERS: dict[str, Handler] = {
    "AddPermission": policies.add,
    "CreateAlias": aliases.create,
    "CreateEventSourceMapping": mappings.create,
    "CreateFunction": functions.create,
    "CreateFunctionUrlConfig": urls.create,
    "DeleteAlias": aliases.delete,
    "DeleteEventSourceMapping": mappings.delete,
    "DeleteFunction": functions.delete,
    "DeleteFunctionConcurrency": concurrency.delete,
    "DeleteFunctionEventInvokeConfig": destinations.delete,
    "DeleteFunctionUrlConfig": urls.delete,
    "DeleteProvisionedConcurrencyConfig": provisioned.delete,
    "GetAccountSettings": concurrency.account_settings,
    "GetAlias": aliases.get,
    "GetEventSourceMapping": mappings.get,
    "GetFunction": functions.get,
    "GetFunctionConcurrency": concurrency.get,
    "GetFunctionConfiguration": functions.get_configuration,
    "GetFunctionEventInvokeConfig": destinations.get,
    "GetFunctionUrlConfig": urls.get,
    "GetPolicy": policies.get,
    "GetProvisionedConcurrencyConfig": provisioned.get,
    "GetResourcePolicy": policies.get_resource,
    "ListAliases": aliases.list_all,
    "ListEventSourceMappings": mappings.list_all,
    "ListFunctionEventInvokeConfigs": destinations.list_all,
    "ListFunctionUrlConfigs": urls.list_all,
    "ListFunctions": functions.list_all,
    "ListProvisionedConcurrencyConfigs": provisioned.list_all,
    "ListTags": tags.list_all,
    "ListVersionsByFunction": versions.list_all,
    "PublishVersion": versions.publish,
    "PutFunctionConcurrency": concurrency.put,
    "PutFunctionEventInvokeConfig": destinations.put,
    "PutProvisionedConcurrencyConfig": provisioned.put,
    "RemovePermission": policies.remove,
    "TagResource": tags.tag,
    "UntagResource": tags.untag,
    "UpdateAlias": aliases.update,
    "UpdateEventSourceMapping": mappings.update,
    "UpdateFunctionCode": functions.update_code,
    "UpdateFunctionConfiguration": functions.update_configuration,
    "UpdateFunctionEventInvokeConfig": destinations.update,
    "UpdateFunctionUrlConfig": urls.update,
}
